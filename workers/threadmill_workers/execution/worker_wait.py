"""Waits, within an attempt, for a worker that has a function which no live worker has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from threadmill_shared import errors
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.workers import Workers
from threadmill_shared.tools import ToolSpec
from threadmill_shared.tools.identity import is_of_one_process, module_of
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.worker_watch import LOOK_SECONDS, WorkerWatch

logger = logging.getLogger("threadmill.worker")


class WorkerWait:
    """Waits for the workers that one run needs; the run keeps its slot meanwhile."""

    def __init__(
        self,
        held: HeldRun,
        workers: Workers,
        watch: WorkerWatch,
        *,
        queue: str | None,
        seconds: float,
    ) -> None:
        """Nothing is waited for yet.

        Args:
            held: the run.
            workers: the registered ones.
            watch: tells which of them live.
            queue: the worker must consume this one; None: any.
            seconds: how long a worker is waited for; 0: not at all.
        """
        self._held = held
        self._workers = workers
        self._watch = watch
        self._queue = queue
        self._seconds = seconds
        self.awaited: ToolSpec | None = None
        """What the run waits for, or has waited for when it was interrupted; None: it has not."""

    def refuse_hopeless(self, tools: Sequence[ToolSpec]) -> None:
        """Refuse functions for which it is no use to wait.

        Raises:
            ToolNotFound: no wait is allowed, or only a process that is gone has had one of them.
        """
        for spec in tools:
            if self._seconds == 0 or is_of_one_process(spec.identity):
                raise _not_found(spec)

    async def wait_for_any(self, tools: Sequence[ToolSpec]) -> WorkerInfo:
        """Wait until a live worker has one of these functions.

        Args:
            tools: what no live worker has; at least one.

        Raises:
            ToolNotFound: no such worker has come in time.
        """
        self.awaited = tools[0]
        with self._held.waiting_for_worker(tools[0].identity):
            await asyncio.sleep(0)  # a run that a draining worker gives back ends here
            found = await self._find_in_time(tools)
        self.awaited = None
        if found is None:
            raise _not_found(tools[0], self._seconds)
        return found

    async def _find_in_time(self, tools: Sequence[ToolSpec]) -> WorkerInfo | None:
        self._log_begin(tools[0])
        asked: set[WorkerInfo] = set()
        # Time in which Redis does not answer, or this process is frozen, does not count: leases
        # expire meanwhile, so the worker may have been there all the time.
        left, waited = self._seconds, 0.0
        while True:
            alive = await self._watch.alive()
            # Which functions a worker has does not change while it lives.
            new = [one for one in alive if one not in asked]
            asked = set(alive)
            found = await self._workers.worker_with_more(tools, 0, queue=self._queue, among=new)
            if found is not None:
                self._log_end(found, waited)
            if found is not None or left <= 0:
                return found
            pause = min(LOOK_SECONDS, left)
            await asyncio.sleep(pause)
            left, waited = left - pause, waited + pause

    def _log_begin(self, spec: ToolSpec) -> None:
        logger.warning(
            "%s waits for a worker that has the function of %s (%s), which no live worker has; "
            "start one: threadmill worker %s. Without one, the run fails in %g s",
            self._held.record.id,
            spec.name,
            spec.identity,
            module_of(spec.identity),
            self._seconds,
        )

    def _log_end(self, found: WorkerInfo, waited: float) -> None:
        logger.info(
            "%s is handed over to worker %s, which has the function that it has waited %.0f s for",
            self._held.record.id,
            found.worker,
            waited,
        )


def _not_found(spec: ToolSpec, waited: float = 0) -> errors.ToolNotFound:
    in_time = f", and none has come within {waited:g} s" if waited else ""
    return errors.ToolNotFound(
        f"The model called {spec.name}, and no live worker has its function "
        f"({spec.identity}){in_time}. Load its module in a worker (threadmill worker MODULE), or "
        "pass the function when you enqueue the run (tools=[...])."
    )
