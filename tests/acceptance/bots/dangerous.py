"""An assistant whose tools endanger their worker, and note what they do in a file of the run's."""

import asyncio
import gc
import os
import signal
import time
from pathlib import Path

from celery.worker import WorkController

from threadmill import Assistant, current_call, tool
from threadmill_workers.consuming import consumer_service, consumer_watchdog
from threadmill_workers.membership import lease
from threadmill_workers.recovery import maintenance

if os.environ.get("WATCHDOG") == "hasty":
    maintenance.PING_SECONDS = consumer_watchdog.ARRIVAL_SECONDS = 1.0
if os.environ.get("RESTART") == "useless":
    consumer_service.ConsumerService.restart = lambda _: None
if os.environ.get("LEASE") == "hasty":
    lease.UNANSWERED_BEATS = 2
if os.environ.get("COMPARISON") == "hasty":
    maintenance.COMPARE_SECONDS = 0.5


def note(word: str) -> None:
    """One line: what is done, for which call, by which process."""
    call = current_call()
    line = f"{word} {call.idempotency_key} {os.getpid()}\n"
    with Path(call.context["notes"]).open("a") as file:  # one write of a short line is atomic
        file.write(line)


def die() -> str:
    """End this worker as a lack of memory does."""
    note("die")
    os.kill(os.getpid(), signal.SIGKILL)
    return "never said"


@tool(on_interrupt="retry")
def die_again() -> str:
    """End every worker that calls this."""
    note("die_again")
    os.kill(os.getpid(), signal.SIGKILL)
    return "never said"


@tool(on_interrupt="retry")
def die_once() -> str:
    """End the first worker that calls this."""
    first = "die_once" not in Path(current_call().context["notes"]).read_text()
    note("die_once")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@tool(on_interrupt="fail")
def die_for_good() -> str:
    note("die_for_good")
    os.kill(os.getpid(), signal.SIGKILL)
    return "never said"


def remember(word: str) -> str:
    """Do something that must be done once."""
    note(f"begin:{word}")
    note(f"end:{word}")
    return f"remembered {word}"


def dawdle(seconds: float) -> str:
    note("begin:dawdle")
    time.sleep(seconds)
    note("end:dawdle")
    return "dawdled"


async def block(seconds: float) -> str:
    """Block the event loop, as an async tool should not."""
    time.sleep(seconds)
    return "blocked"


async def wait_for_ever() -> str:
    """Wait, and note how this ends."""
    note("begin:wait")
    try:
        await asyncio.sleep(3600)
    finally:
        note("end:wait")
    return "never said"


def make_deaf() -> str:
    """Have the consumer stop taking messages without telling anybody."""
    [controller] = [one for one in gc.get_objects() if isinstance(one, WorkController)]
    consumer = controller.consumer
    consumer.hub.call_soon(consumer.task_consumer.cancel)
    return "deaf"


ai = Assistant(
    name="dangerous",
    tools=[
        *(die, die_again, die_once, die_for_good),
        *(remember, dawdle, block, wait_for_ever, make_deaf),
    ],
)
