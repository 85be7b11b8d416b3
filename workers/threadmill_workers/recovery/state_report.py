"""What a worker says of itself in the store: what it is and does, for those who look at a fleet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version

from threadmill_shared import errors
from threadmill_shared.model import host_of
from threadmill_shared.records.worker_state import (
    NAMED_CALLS,
    ProviderState,
    ToolThreadUse,
    WorkerState,
)
from threadmill_workers.catalog import Catalog
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.recovery.clock_check import ClockCheck

REPORT_SECONDS = 5.0


class StateReport:
    """Writes down a worker's state again and again; only a change costs more than a few bytes."""

    def __init__(
        self,
        context: WorkerContext,
        catalog: Catalog,
        executor: Executor,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is written yet; `clock` is this worker's, in seconds since the epoch."""
        self._clock_check = ClockCheck(context.store.server, clock)
        self._context = context
        self._workers = context.store.workers
        self._executor = executor
        self._written: tuple[str, WorkerState] | None = None
        self._first = WorkerState(
            version=version("threadmill"),
            modules=tuple(catalog.modules),
            started_at=int(time.time()),
            slots=context.settings.concurrency,
            assistants={name: one.digest() for name, one in catalog.definitions.items()},
        )

    async def begin_stopping(self) -> None:
        """Write down that this worker takes no run any more; what fails is written later."""
        self._first = self._first.model_copy(update={"stopping": True})
        with contextlib.suppress(errors.InfrastructureError):
            await self.write()

    async def write(self) -> None:
        """Write it once, unless the worker deregisters, which removes it."""
        if self._context.lease.is_closed:
            return
        await self._clock_check.measure()
        written = (self._context.lease.holder.id, self.state())
        if written == self._written and await self._workers.keep_state(written[0]):
            return
        await self._workers.write_state(*written)
        self._written = written

    def state(self) -> WorkerState:
        """The worker's state at this moment."""
        return self._first.model_copy(
            update={
                "running": self._executor.running,
                "awaited_functions": self._executor.awaited_functions(),
                "tool_threads": self._tool_threads(),
                "provider": self._provider(),
                "metrics": self._context.metrics.address,
                "clock_offset": self._clock_check.offset,
            }
        )

    def _tool_threads(self) -> ToolThreadUse:
        runner = self._context.runner
        calls = runner.abandoned_calls()[:NAMED_CALLS]
        return ToolThreadUse(**asdict(runner.thread_counts()), abandoned_calls=calls)

    def _provider(self) -> ProviderState:
        known = self._context.provider
        return ProviderState(
            host=host_of(self._context.model),
            api=self._context.settings.model_api,
            state=known.condition,
            since=int(known.since),
            cause=known.cause,
            failed_at=int(known.failed_at),
            missing_models=known.missing_models,
        )
