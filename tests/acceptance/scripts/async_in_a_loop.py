"""Says three times in one event loop, which goes on meanwhile."""

import asyncio

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread


async def main() -> None:
    thread, ticks = Thread(), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    tell("main", [await scribe.say_async(wish(word), thread=thread) for word in WORDS])
    ticking.cancel()
    assert ticks > 5, "the loop stood still"


asyncio.run(main())
