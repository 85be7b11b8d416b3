"""Enqueues twice for each model that is named; `--worker` executes that in this process, too."""

import logging
import sys

from threadmill import Assistant
from threadmill.client.current import close_client
from threadmill.testing import ScriptedModel
from threadmill.testing.workers import Workers

models = [word for word in sys.argv[1:] if word != "--worker"]
logging.basicConfig(level="WARNING", format="%(levelname)s %(message)s")
ai = Assistant(name="Ada")
with Workers() as workers:
    if "--worker" in sys.argv:
        workers(ai, model=ScriptedModel(*["Hello!"] * 2 * len(models)))
    runs = [ai.enqueue("Hello!", model=model) for model in models * 2]
    if "--worker" in sys.argv:
        print(*[run.wait(20).status for run in runs])
    close_client()
