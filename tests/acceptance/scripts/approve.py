"""Waits until another process approves a call of a function that is this script's."""

import logging
import sys

from threadmill import Assistant, tool


@tool(needs_approval=True)
def refund(order: int) -> str:
    """Pay an order back."""
    return f"order {order} was paid back"


run = Assistant(name="Clerk", tools=[refund]).enqueue("Pay back")
logging.basicConfig(stream=sys.stdout, format="logged: %(message)s")
for event in run.events():
    if event.event == "thread.run.requires_action":
        print(run.id, flush=True)
run.wait()
print(run.text)
