"""Says something, forks, and says three times in the parent and in the child, in a loop each."""

import asyncio
import os
import sys
import warnings

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread


async def main(who: str) -> None:
    thread = Thread()
    runs = [
        await scribe.say_async(wish(word), thread=thread, event_handler_class=None)
        for word in WORDS
    ]
    tell(who, runs)


asyncio.run(scribe.say_async("Hello!", event_handler_class=None))
with warnings.catch_warnings():
    # Python 3.12 and later warn of every fork of a process with threads; it is what is tried here.
    warnings.simplefilter("ignore", DeprecationWarning)
    child = os.fork()

asyncio.run(main("parent" if child else "child"))
if child:
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
