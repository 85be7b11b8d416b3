"""The calls that wait for somebody outside, over all threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from threadmill_shared.records.changes import ParkedCall
from threadmill_shared.records.inspection import ParkedRun
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.store.store import Store


@dataclass(frozen=True)
class WaitingCall:
    """A tool call of a parked run."""

    run_id: str
    thread_id: str
    assistant: str
    call_id: str
    tool: str
    waits_for: str
    """`approval` or `output`."""
    since: float
    """When its run was parked."""
    expires_at: float | None
    """When its run expires if nobody answers."""
    arguments: str | None = None
    """JSON, as the model wrote it; None if they were not asked for."""


async def read_approvals(
    store: Store, *, limit: int, with_arguments: bool = False
) -> list[WaitingCall]:
    """Read the calls that wait for an approval, those first that have waited the longest.

    Args:
        store: the store.
        limit: how many parked runs are looked at, at most.
        with_arguments: whether to read the calls' arguments, too.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    parked = await store.inspector.parked(limit)
    waiting = [one for one in parked if "approval" in CallMarks(one.marks).waiting().values()]
    found = await store.inspector.parked_calls(waiting)
    return [
        _call(run, call, with_arguments=with_arguments)
        for run, calls in zip(waiting, found, strict=True)
        for call in calls
        if call.waits_for == "approval"
    ]


def count_approvals(parked: Sequence[ParkedRun]) -> int:
    """How many calls of these runs wait for an approval."""
    marks = [CallMarks(one.marks).waiting() for one in parked]
    return sum(what == "approval" for waiting in marks for what in waiting.values())


def _call(run: ParkedRun, call: ParkedCall, *, with_arguments: bool) -> WaitingCall:
    return WaitingCall(
        run_id=run.run_id,
        thread_id=run.thread_id,
        assistant=run.assistant,
        call_id=call.id,
        tool=call.name,
        waits_for=call.waits_for,
        since=run.since / 1000,
        expires_at=run.deadline / 1000 if run.deadline else None,
        arguments=call.arguments if with_arguments else None,
    )
