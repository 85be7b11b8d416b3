"""A producer that logs all that it can, and says the marked text in every way."""

import asyncio
import contextlib
import logging

from tests.acceptance.scripts.secretive import ANSWERS, MARK, options, secretive, wish

from threadmill import Assistant, Run, Template, Thread, errors

logging.basicConfig(level=logging.DEBUG)


def say(name: str) -> None:
    try:
        secretive.say(wish(name), thread=Thread(), event_handler_class=None)
    except errors.RunFailed:
        logging.getLogger("a user's").exception("the run failed")


for name in ANSWERS:
    say(name)

thread = Thread(key=MARK, metadata={"secret": MARK}).create([wish("say")])
secretive.say(wish("say"), thread=thread, event_handler_class=None, **options())  # type: ignore[arg-type]  # any of them
run = secretive.enqueue(wish("say"), thread=thread)
asyncio.run(run.wait_async())
list(Run.load(run.id).events())
with contextlib.suppress(errors.AssistantNotFound):
    Assistant.load(MARK)
with contextlib.suppress(errors.BadTemplate):
    secretive.enqueue(MARK, instructions=Template(f"{{{{ {MARK} }}}}"))
secretive.say(wish("say"), Thread(), None, instructions=f"{{{{ {MARK} }}}}")
