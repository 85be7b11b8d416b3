"""A trace of each execution of a tool, outside the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.ledger import Ledger

from threadmill import current_call

_ledger = Ledger(Path(os.environ["CHAOS_CALLS"]))


@contextmanager
def traced(name: str) -> Iterator[str]:
    """Leave a line before and one after; gives the output."""
    call = current_call()
    fields = {"call": call.idempotency_key, "attempt": call.attempt, "pid": os.getpid()}
    _ledger.add("begin", tool=name, **fields)
    yield f"did {call.idempotency_key}"
    _ledger.add("end", tool=name, **fields)
