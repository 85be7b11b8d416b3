"""Reports runs that have ended without a worker: to the log, and to Celery's monitors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from threadmill_shared import ids
from threadmill_shared.broker.task_labels import TaskLabel
from threadmill_shared.records.run import RunRecord
from threadmill_workers.consuming.task_outcomes import TaskOutcome
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.run_end import RunEnd
from threadmill_workers.execution.worker_context import WorkerContext

Claim = Callable[[str, str], Awaitable[HeldRun | RunRecord | None]]
"""Takes a run's id and the Celery task that asks for it; returns what `claim` returns."""


class EndReporter:
    """Reports each such end once, however many workers learn of it."""

    def __init__(self, context: WorkerContext, claim: Claim) -> None:
        """Nothing is reported yet.

        Args:
            context: what the worker has.
            claim: claims a run. A worker that closes waits for it: the first to claim a run that
                has ended is the only one to report it.
        """
        self._context = context
        self._claim = claim

    async def report_once(self, run_id: str, task_id: str | None = None) -> None:
        """Report how a run has ended, unless another worker has done so.

        Args:
            run_id: the run.
            task_id: the Celery task that shows it; None: a new one.
        """
        task_id = ids.new_task_id(run_id, 0) if task_id is None else task_id
        found = await self._claim(run_id, task_id)
        if isinstance(found, RunRecord):
            self.report(found, task_id)

    def report(self, record: RunRecord, task_id: str) -> None:
        """Report how a run has ended, which was claimed to report it."""
        if record.is_forced:
            self._context.events.announce_takeover(record)
        self._context.ended_logs.note(record.id)
        RunEnd.of(record).report(self._context.metrics)
        label, outcome = TaskLabel.of(record), TaskOutcome.of_end(record.status, record.last_error)
        self._context.events.announce_start(task_id, label)
        self._context.events.announce_end(task_id, label, outcome, record.seconds)
