"""Says three times."""

from tests.acceptance.scripts.scribe import WORDS, scribe, tell, wish

from threadmill import Thread

thread = Thread()
tell("main", [scribe.say(wish(word), thread=thread) for word in WORDS])
