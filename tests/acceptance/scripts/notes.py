"""Says its argument on a thread that every start of it finds again; tells who said what there."""

import sys

from tests.acceptance.scripts.scribe import scribe

from threadmill import Thread

notes = Thread(key="my notes")
scribe.say(sys.argv[1], thread=notes, event_handler_class=None)
for message in notes.get_messages():
    print(f"{message.role}: {message.text}")
