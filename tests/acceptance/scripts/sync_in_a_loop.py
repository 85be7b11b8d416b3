"""Says three times with the blocking API, while an event loop is running in the same thread."""

import asyncio

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread


async def main() -> None:
    thread = Thread()
    tell("main", [scribe.say(wish(word), thread=thread) for word in WORDS])


asyncio.run(main())
