"""How runs become a worker's."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from threadmill_shared.records import lenient
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.store.run_writer import RunWriter
from threadmill_shared.store.scripts.held_runs import HeldRunScripts
from threadmill_shared.store.session import Session

RECENT_ITEMS = 24
RECENT_BYTES = 64_000
"""What a claim tells at most of its run's thread: a first request seldom carries more, and a
script that reads much keeps everybody else waiting."""


@dataclass(frozen=True)
class Claim:
    """What became of claiming a run."""

    outcome: str
    """`claimed` or `again`: it is the worker's; `ended`: it has ended without a worker, and this is
    the first to know; `gone`, `taken`, `waiting`: it is not to be had."""
    record: RunRecord | None = None
    """The run's record, if it was claimed or has ended."""
    writer: RunWriter | None = None
    """What the worker may write with, if it was claimed."""
    seconds_left: float = 0
    """Until the run's deadline."""
    position: int = 0
    """Of the thread's last item."""
    recent_items: tuple[tuple[int, str], ...] = ()
    """The thread's newest items with their positions, as they are stored, oldest first; not many,
    and not large ones."""
    left_out: str = ""
    """What models did not take of the thread, as `read_left_out` takes it."""
    tool_resources: Mapping[str, Any] = field(default_factory=dict)
    """What the thread has for hosted tools, in the Assistants API's form."""


class HeldRuns:
    """The runs of one namespace, as workers hold them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._scripts = HeldRunScripts(session.keys)

    async def claim(
        self, run_id: str, *, worker: str, worker_name: str, channel: str, task: str
    ) -> Claim:
        """Take a queued run.

        Args:
            run_id: the run.
            worker: the worker's id.
            worker_name: its name, `host:pid`.
            channel: the one on which it is told to stop the run.
            task: the id of the Celery task that asks for the run.
        """
        call = self._scripts.claim(
            run_id=run_id,
            worker=worker,
            worker_name=worker_name,
            bell=channel,
            claim=secrets.token_hex(8),
            task=task,
            most_items=RECENT_ITEMS,
            most_bytes=RECENT_BYTES,
        )
        outcome, *reply = await self._session.runner.run(call)
        if outcome == "ended":
            return Claim(outcome, RunRecord.read(run_id, field_map(reply[0])))
        if outcome not in ("claimed", "again"):
            return Claim(outcome)
        token, left, position, fields, items, left_out, tool_resources = reply
        return Claim(
            outcome=outcome,
            record=RunRecord.read(run_id, field_map(fields)),
            writer=RunWriter(self._session, run_id=run_id, token=token),
            seconds_left=int(left) / 1000,
            position=int(position),
            recent_items=tuple(zip(map(int, items[::2]), items[1::2], strict=True)),
            left_out=left_out,
            tool_resources=lenient.json_object(from_json(tool_resources or "{}")),
        )
