"""Says three times in each of two threads at once, which have an event loop each."""

import asyncio
import threading

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread


async def say(who: str) -> None:
    thread = Thread()
    runs = [
        await scribe.say_async(wish(word), thread=thread, event_handler_class=None)
        for word in WORDS
    ]
    tell(who, runs)


threads = [
    threading.Thread(target=lambda w=who: asyncio.run(say(w))) for who in ("first", "second")
]
for one in threads:
    one.start()
for one in threads:
    one.join()
