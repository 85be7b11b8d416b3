"""Says three times in each of two threads at once."""

import threading

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread


def say(who: str) -> None:
    thread = Thread()
    tell(who, [scribe.say(wish(word), thread=thread, event_handler_class=None) for word in WORDS])


threads = [threading.Thread(target=say, args=[who]) for who in ("first", "second")]
for one in threads:
    one.start()
for one in threads:
    one.join()
