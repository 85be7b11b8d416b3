"""Takes runs from holders that are dead or do not execute them, and ends those that are overdue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from threadmill_shared import errors
from threadmill_shared.records.changes import Dispatch, Reclaimed
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.objects import ToolCall
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.worker_death import LOST_CONNECTION, LOST_LEASE, WorkerDeath
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.store.store import Store
from threadmill_workers.execution.interruption import log_interrupted_call
from threadmill_workers.log_text import list_runs
from threadmill_workers.logs.fields import log_fields, run_fields
from threadmill_workers.membership.failure_detector import Dead
from threadmill_workers.recovery.each import each

logger = logging.getLogger("threadmill.worker")

AT_ONCE = 50
"""Runs that are taken over at the same time."""

Send = Callable[[Dispatch | None], None]
NoteRecovery = Callable[[str, float | None], None]
"""Takes the cause, and the seconds since the holder was last known to live, if it is dead."""


class Takeover:
    """Moves runs from one worker to the next."""

    def __init__(
        self,
        store: Store,
        send: Send,
        *,
        max_deaths: int,
        remove_queue: Callable[[str], None] = lambda _: None,
        on_taken: Callable[[RunRecord], None] = lambda _: None,
        note_recovery: NoteRecovery = lambda _cause, _seconds: None,
    ) -> None:
        """A takeover that hands what is to be executed to `send`.

        Args:
            store: where the runs are.
            send: takes each run that is to be executed, at the time when it is to be.
            max_deaths: how often a run's worker may die in its tool calls without any of them
                ever being finished.
            remove_queue: removes the queue that only a dead worker consumed.
            on_taken: called with the record, as it was, of a run that another worker continues.
            note_recovery: called for each such run, once in the fleet, for the metrics.
        """
        self._store = store
        self._send = send
        self._max_deaths = max_deaths
        self._remove_queue = remove_queue
        self._on_taken = on_taken
        self._note_recovery = note_recovery
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def remove_worker(self, dead: Dead, *, count: bool = True) -> None:
        """Remove a dead worker, unless it turns out to live, and take over its runs.

        Args:
            dead: the verdict.
            count: whether its death counts against its runs.
        """
        death = await self._death(dead)
        if dead.registration and not await self._remove(death, dead.registration):
            return
        # Only now is it certain that it claims no further one.
        held = await self._store.indexes.held_by(dead.worker)
        if dead.registration or held:
            _log_death(death, held, was_registered=bool(dead.registration))
        take = partial(self._take_from, dead, count=count)
        await asyncio.gather(*(each([run_id], take, "take over") for run_id in held))

    async def _death(self, dead: Dead) -> WorkerDeath:
        return WorkerDeath(
            worker=dead.worker,
            cause=_cause(dead),
            silent_seconds=round(_silent_seconds(dead) or 0.0, 1),
            runs=len(await self._store.indexes.held_by(dead.worker)),
        )

    async def _remove(self, death: WorkerDeath, registration: str) -> bool:
        """Remove a dead worker's registration, and the queue that only it consumed."""
        if not await self._store.workers.remove(death, registration):
            return False
        self._remove_queue(WorkerInfo.read(death.worker, registration).queue)
        return True

    async def _take_from(self, dead: Dead, run_id: str, *, count: bool) -> None:
        async with self._slots:
            record = await self._store.runs.record(run_id)
            if record is None or record.holder != dead.worker:
                return
            taken = await self.take(record, count=count)
            if taken.is_first:
                self._note_recovery(_cause(dead), _silent_seconds(dead))

    async def take_stray(self, record: RunRecord) -> None:
        """Take a run from its holder, which lives and does not execute it."""
        if (await self.take(record, count=False)).is_first:
            self._note_recovery("not_executed", None)

    async def take(self, record: RunRecord, *, count: bool) -> Reclaimed:
        """Take a run from its holder; `count`: the holder died."""
        max_deaths = self._max_deaths if count else None
        taken = await self._store.runs.reclaim(record, max_deaths=max_deaths)
        if taken.outcome == "ok":
            self._on_taken(record)
        if taken.outcome == "cancelling":
            await self.end(record.id, 0, None)
        elif taken.outcome == "spent":
            await self._end_as_lost(record)
        elif taken.send is not None and taken.pause_seconds:
            # If this process ends before, the run is found like one whose message was lost.
            loop = asyncio.get_running_loop()
            loop.call_later(taken.pause_seconds, self._send, taken.send)
        else:
            self._send(taken.send)
        return taken

    async def end(self, run_id: str, grace_ms: int, last_error: LastError | None) -> Status | None:
        """End a run that is being cancelled, or past its deadline, by so many milliseconds.

        Returns how it has ended; None: this has not ended it.
        """
        ended = await self._store.runs.force_end(
            run_id, status=Status.EXPIRED, grace_ms=grace_ms, last_error=last_error
        )
        if ended is None:
            return None
        self._send(ended.send)
        return ended.status

    async def _end_as_lost(self, record: RunRecord) -> None:
        text = (
            "The workers that executed this run died one after another, the last one "
            f"{record.worker}, and it made no progress. See the workers' logs, and "
            "THREADMILL_MAX_ATTEMPTS."
        )
        error = LastError.of("worker_lost", text)
        begun = await self._begun_calls(record)
        ended = await self._store.runs.force_end(
            record.id, status=Status.FAILED, lost=record.token, last_error=error
        )
        if ended is not None:
            self._send(ended.send)
            with log_fields(run_fields(record)):
                for call in begun:
                    log_interrupted_call(call.name, call.id, record.id, "the run has failed")

    async def _begun_calls(self, record: RunRecord) -> list[ToolCall]:
        """The calls of a run that its holder has begun, and that have no output."""
        place = await self._store.inspector.place(record.id)
        marks = CallMarks(place.marks if place else {})
        try:
            steps = await self._store.runs.steps(record.id)
        except errors.StoreIncompatible:  # the run must end all the same
            return []
        names = {tool.name for tool in record.request.tools}
        calls = {call.id: call for step in steps for call in step.tool_calls}
        return [one for one in calls.values() if marks.is_begun(one.id) and one.name in names]


def _cause(dead: Dead) -> str:
    return LOST_LEASE if dead.expired else LOST_CONNECTION


def _silent_seconds(dead: Dead) -> float | None:
    """For how long it has given no sign of life, if that is known."""
    return None if dead.silent_since is None else time.monotonic() - dead.silent_since


def _log_death(death: WorkerDeath, held: Sequence[str], *, was_registered: bool) -> None:
    why = f"{death.sign}, so {death.explanation}"
    if not was_registered:
        why = "it is not registered any more"
    what = f"its runs are reassigned: {list_runs(held)}" if held else "it held no run"
    logger.warning("worker %s is dead: %s; %s", death.name, why, what)
