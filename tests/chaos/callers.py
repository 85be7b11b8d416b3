"""Functions of the producers, which no worker has loaded."""

import asyncio
import time

from tests.chaos.traces import traced

from threadmill import tool


@tool
def sign(seconds: float) -> str:
    """A sync function that must not be repeated."""
    with traced("sign") as output:
        time.sleep(seconds)
    return output


@tool(on_interrupt="retry")
async def draw(seconds: float) -> str:
    """An async function that may be repeated as long as it has no output."""
    with traced("draw") as output:
        await asyncio.sleep(seconds)
    return output
