"""An assistant whose tools leave a trace of each execution outside the store."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.ledger import Ledger

from threadmill import Assistant, current_call, tool

_ledger = Ledger(Path(os.environ["CHAOS_CALLS"]))


@contextmanager
def traced(name: str) -> Iterator[str]:
    """Leave a line before and one after; gives the output."""
    call = current_call()
    fields = {"call": call.idempotency_key, "attempt": call.attempt, "pid": os.getpid()}
    _ledger.add("begin", tool=name, **fields)
    yield f"did {call.idempotency_key}"
    _ledger.add("end", tool=name, **fields)


@tool
async def pay(seconds: float) -> str:
    """An async tool that must not be repeated."""
    with traced("pay") as output:
        await asyncio.sleep(seconds)
    return output


@tool
def note(seconds: float) -> str:
    """A sync tool that must not be repeated."""
    with traced("note") as output:
        time.sleep(seconds)
    return output


@tool(on_interrupt="retry")
async def fetch(seconds: float) -> str:
    """A tool that may be repeated as long as it has no output."""
    with traced("fetch") as output:
        await asyncio.sleep(seconds)
    return output


ai = Assistant(name="chaotic", instructions="Do as you are told.", tools=[pay, note, fetch])
