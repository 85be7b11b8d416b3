"""An assistant whose tools leave a trace of each execution outside the store."""

import asyncio
import time

from tests.chaos.traces import traced

from threadmill import Assistant, tool


@tool
async def pay(seconds: float) -> str:
    """An async tool that must not be repeated."""
    with traced("pay") as output:
        await asyncio.sleep(seconds)
    return output


@tool
def note(seconds: float) -> str:
    """A sync tool that must not be repeated."""
    with traced("note") as output:
        time.sleep(seconds)
    return output


@tool(on_interrupt="retry")
async def fetch(seconds: float) -> str:
    """A tool that may be repeated as long as it has no output."""
    with traced("fetch") as output:
        await asyncio.sleep(seconds)
    return output


ai = Assistant(name="chaotic", instructions="Do as you are told.", tools=[pay, note, fetch])
