"""Executes the runs of one worker process: one coroutine for each, all on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from functools import partial

from threadmill_shared import errors, ids
from threadmill_shared.broker.task_labels import TaskLabel
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import RunRecord, Status
from threadmill_workers.execution.attempt import Attempt
from threadmill_workers.execution.claim import claim
from threadmill_workers.execution.end_reporter import EndReporter
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.interruption import Interruption
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.logs.fields import log_fields, run_fields


class Executor:
    """Knows which runs this worker executes: claims, stops and gives them back."""

    def __init__(self, context: WorkerContext) -> None:
        """Nothing is executed yet."""
        self._context = context
        self._reporter = EndReporter(context, self._claim)
        self._claiming: list[str] = []
        self._running: dict[str, HeldRun] = {}
        self._children: dict[str, set[str]] = {}
        self._draining = False
        self._closing = False

    # ---- executing -------------------------------------------------------------------------------

    async def execute(self, run_id: str, *, task_id: str = "", parent: str | None = None) -> None:
        """Execute a run, if it can be claimed; a message delivered again does nothing.

        A run that has ended without a worker is reported, to the log and to Celery's monitors.

        Args:
            run_id: the run.
            task_id: the Celery task that asks for it.
            parent: the run of the tool that has enqueued this one, which is cancelled with it.
        """
        with log_fields({"run": run_id}):
            await self._execute(run_id, task_id, parent)

    async def _execute(self, run_id: str, task_id: str, parent: str | None) -> None:
        if parent is not None and parent in self._running:
            self._children.setdefault(parent, set()).add(run_id)
        await self._context.lease.wait_until_confirmed()
        if self._closing:
            await self._give_back(run_id, task_id)
            return
        if parent is not None:  # it came without a message, and is to be seen all the same
            task_id = ids.new_task_id(run_id, 1)
        match await self._claim(run_id, task_id):
            case HeldRun() as held:
                await self._execute_held(held, task_id)
            case RunRecord() as record:
                self._reporter.report(record, task_id)

    async def _give_back(self, run_id: str, task_id: str) -> None:
        """Send a run on whose message came too late."""
        [(queue, _)] = await self._context.store.runs.queues_and_attempts([run_id])
        if queue is not None:
            attempt = ids.attempt_of_task(task_id)
            self._context.sender.send(Dispatch(run_id, queue, begun=True, attempt=attempt))

    async def _claim(self, run_id: str, task_id: str) -> HeldRun | RunRecord | None:
        self._claiming.append(run_id)
        try:
            return await claim(self._context.store, self._context.lease.holder, run_id, task_id)
        finally:
            self._claiming.remove(run_id)

    async def _execute_held(self, held: HeldRun, task_id: str) -> None:
        run_id, label, begun_at = held.record.id, TaskLabel.of(held.record), time.monotonic()
        if (former := self._running.get(run_id)) is not None:
            # The run was taken from this worker, and has come back to it.
            former.stop(Interruption.LOST)
        self._running[run_id] = held
        if self._draining:
            held.begin_draining()
        self._context.metrics.note_claim(held.waited_seconds)
        self._context.events.announce_start(task_id, label)
        cancel_children = partial(self._cancel_children, run_id)
        attempt = Attempt(held, self._context, task_id=task_id, cancel_children=cancel_children)
        try:
            with log_fields(run_fields(held.record)):
                outcome = await attempt.perform()
        finally:
            if self._running.get(run_id) is held:  # it may have come back to this worker
                del self._running[run_id]
                self._children.pop(run_id, None)
        if outcome is not None:
            self._context.events.announce_end(task_id, label, outcome, time.monotonic() - begun_at)

    # ---- cancelling ------------------------------------------------------------------------------

    async def cancel(self, run_id: str) -> Status | None:
        """Cancel a run, whichever worker executes it.

        Returns:
            The run's status after that; None if there is no such run any more.
        """
        with contextlib.suppress(errors.RunNotFound):
            ended = await self._context.store.runs.cancel(run_id)
            self._context.sender.send(ended.send)
            return ended.status
        return None

    async def cancel_revoked(self, run_id: str, task_id: str) -> None:
        """Cancel a run whose task somebody has revoked; that task shows its end."""
        status = await self.cancel(run_id)
        if status is not None and status.is_terminal:
            await self._reporter.report_once(run_id, task_id)

    async def _cancel_children(self, run_id: str) -> None:
        for child in self._children.pop(run_id, ()):
            await self.cancel(child)

    async def report_end(self, run_id: str) -> None:
        """Report the end of a run that no worker held, unless another worker has."""
        await self._reporter.report_once(run_id)

    # ---- interrupting ----------------------------------------------------------------------------

    def stop(self, run_id: str) -> None:
        """Interrupt a run that was cancelled, if it is executed here."""
        if (held := self._running.get(run_id)) is not None:
            held.stop(Interruption.CANCEL)

    def drop(self) -> None:
        """Drop all runs: this worker was declared dead, and they were reassigned."""
        for held in self.held():
            held.stop(Interruption.LOST)

    def begin_draining(self) -> None:
        """Let runs continue, but give back those that wait for another worker."""
        self._draining = True
        for held in self.held():
            held.begin_draining()

    async def close(self, tool_seconds: float = 0) -> None:
        """Give all runs back as they stand, and begin none any more.

        Streams are cut at once, since their turn can be repeated; a tool call can not, so those
        that are under way have `tool_seconds` to end.
        """
        self._closing = True
        until = time.monotonic() + tool_seconds
        while self.executing():  # a run that is being claimed must be given back, too
            for held in self.held():
                if not held.is_calling_tools or time.monotonic() >= until:
                    held.stop(Interruption.YIELD)
            await asyncio.sleep(0.01)

    # ---- looking ---------------------------------------------------------------------------------

    def held(self) -> list[HeldRun]:
        """The runs that are being executed."""
        return list(self._running.values())

    def executing(self) -> set[str]:
        """The ids of the runs that are being executed, or claimed at this moment."""
        return {*self._running, *self._claiming}

    def awaited_functions(self) -> dict[str, int]:
        """How many runs wait for a worker that has a function, by its identity."""
        return Counter(one.awaited_function for one in self.held() if one.awaited_function)

    @property
    def running(self) -> int:
        """Runs in progress."""
        return len(self._running)
