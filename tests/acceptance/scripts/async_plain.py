"""Says three times, each time in a new event loop, which the connections must bear."""

import asyncio

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread

thread = Thread()
tell("main", [asyncio.run(scribe.say_async(wish(word), thread=thread)) for word in WORDS])
