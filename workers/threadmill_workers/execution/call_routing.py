"""Decides who executes a call: this worker, another one, the caller, or nobody before approval."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from threadmill_shared.records.changes import WaitsFor
from threadmill_shared.records.log import StatusChanged
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.batch import Batch
from threadmill_shared.tools import ToolRegistry, ToolSpec
from threadmill_shared.tools.json_arguments import find_mistake
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.next_step import AskModel, HandOver, Park
from threadmill_workers.execution.turn import OpenCall, Reply, calls_body, usage_fields
from threadmill_workers.execution.worker_wait import WorkerWait

UNDECIDED_OUTPUT = "The run ended before anybody approved this call; it was not executed."

FindWorker = Callable[[Sequence[ToolSpec], int], Awaitable[WorkerInfo | None]]
"""Finds the live worker of the run's queue that has the most of these tools, if more than given."""


class CallRouter:
    """Decides, for one run, who executes or answers a call."""

    def __init__(
        self,
        held: HeldRun,
        registry: ToolRegistry,
        find_worker: FindWorker,
        worker_wait: WorkerWait,
    ) -> None:
        """The calls of one run.

        Args:
            held: the run.
            registry: the functions of this worker.
            find_worker: finds another one.
            worker_wait: waits for one if there is none.
        """
        self._record = held.record
        self._registry = registry
        self._find_worker = find_worker
        self._wait = worker_wait

    def spec(self, call: OpenCall) -> ToolSpec | None:
        """The tool that is called; None if the model has made its name up."""
        return next((s for s in self._record.request.tools if s.name == call.name), None)

    def waits_for(self, call: OpenCall) -> WaitsFor | None:
        """Say what the call waits for; None if this worker can execute it."""
        spec = self.spec(call)
        # A call that was begun and is not repeated ends here: that needs no function.
        if spec is None or (call.is_begun and spec.on_interrupt != "retry"):
            return None
        if find_mistake(call.arguments):
            return None  # nobody should decide about it, or read such arguments
        if spec.needs_approval and not call.is_approved:
            return "approval"
        return None if self._registry.find(spec.identity, spec.digest) else "output"

    async def find_better_worker(self) -> HandOver | None:
        """Find a worker that has more of the tools of a run that has not begun.

        Later its calls decide: a run that was handed over for a call must not come back.
        """
        if self._record.turn:
            return None
        wanted = [tool for tool in self._record.request.tools if not tool.is_external]
        here = sum(bool(self._registry.find(tool.identity, tool.digest)) for tool in wanted)
        if here == len(wanted):
            return None
        # Strictly more: two workers with half of them each would hand the run over for ever.
        worker = await self._find_worker(wanted, here)
        return None if worker is None else HandOver(worker.queue)

    async def route(self, calls: Sequence[OpenCall], reply: Reply) -> AskModel | Park | HandOver:
        """Decide who executes or answers calls that are not for this worker.

        A run that can be parked, or handed over for another call, does not wait for a worker here.

        Args:
            calls: those of the turn that are left; if there are none, the model is asked again.
            reply: the turn.

        Raises:
            ToolNotFound: no worker has the function of one, and none has come in time.
        """
        outside, missing, worker = await self._sort(calls)
        self._wait.refuse_hopeless(missing)
        if outside:
            return self._park(outside, reply)
        if worker is None and missing:
            worker = await self._wait.wait_for_any(missing)
        return AskModel() if worker is None else HandOver(worker.queue)

    async def _sort(
        self, calls: Sequence[OpenCall]
    ) -> tuple[dict[OpenCall, WaitsFor], list[ToolSpec], WorkerInfo | None]:
        """Find which calls are answered outside, which no worker has, and one for another call."""
        outside: dict[OpenCall, WaitsFor] = {}
        missing: list[ToolSpec] = []
        other_worker: WorkerInfo | None = None
        for call in calls:
            spec, what = self.spec(call), self.waits_for(call)
            if spec is None or what is None:
                continue
            if what == "approval" or spec.is_external:
                outside[call] = what
            elif (worker := await self._find_worker([spec], 0)) is not None:
                other_worker = worker
            elif spec.name in self._record.request.local_tools:
                outside[call] = what
            else:
                missing.append(spec)
        return outside, missing, other_worker

    def _park(self, calls: Mapping[OpenCall, WaitsFor], reply: Reply) -> Park:
        """Make the step that stores what the run waits for."""
        record, batch = self._record, Batch()
        batch.step(reply.step, calls_body(reply.calls, reply.results, usage_fields(reply.usage)))
        for call, what in calls.items():
            batch.wait_for(call.id, what)
            if what == "approval":
                closing = call.output(UNDECIDED_OUTPUT, failed=True, run_id=record.id)
                batch.open_call(call.id, closing)
        required = [[call.id, call.name, call.arguments, what] for call, what in calls.items()]
        results = {"required": required, "started_at": record.started_at}
        batch.record(StatusChanged("requires_action", results))
        needs_somebody = "approval" in calls.values()
        wait_ms = record.approval_ms if needs_somebody else record.park_ms
        return Park(batch, wait_ms, calls)
