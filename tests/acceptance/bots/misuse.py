"""An assistant whose tools do what a tool should not, or start work that nobody waits for."""

import os

from threadmill import Assistant, Thread


def left() -> str:
    """Known to both workers of the test; `right` only to the other one."""
    return "left"


async def block_the_loop() -> str:
    """Say something with the call that blocks, on the loop that would have to answer it."""
    Assistant("clerk").say("tokens=2 delay=0", thread=Thread(), event_handler_class=None)
    return "got an answer"


def start_and_leave() -> str:
    """Enqueue, and end without waiting."""
    return Assistant("clerk").enqueue("tokens=40 delay=0.02").id


tools = [left, block_the_loop, start_and_leave]
if os.environ.get("HALF") == "right":

    def right() -> str:
        return "right"

    tools = [right]
ai = Assistant("misuse", tools=tools)
