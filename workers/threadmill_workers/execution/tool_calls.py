"""Executes the tool calls of a turn in parallel, and stores each output as it arrives.

A call has an identity of our own and is stored as open before its function is called. So a run that
moves to another worker knows which calls have an output, and repeats none of these. Calls whose
function no worker has, and those that somebody must approve, park the run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from threadmill_shared import errors
from threadmill_shared.records.items import UNBEGUN_OUTPUT
from threadmill_shared.records.log import OwnEvent, ToolCallAnswered, ToolStepEnded
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.tools import CallContext, EndRun, Tool, ToolRegistry
from threadmill_shared.tools.json_arguments import explain_mistake, find_mistake
from threadmill_shared.tools.runner import INVALID_ARGUMENTS, ToolResult, ToolRunner
from threadmill_shared.tools.spec import OnInterrupt
from threadmill_workers.execution.call_routing import CallRouter
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.interruption import log_interrupted_call
from threadmill_workers.execution.next_step import AskModel, Finish, HandOver, Park
from threadmill_workers.execution.tool_names import explain_unknown
from threadmill_workers.execution.turn import OpenCall, Reply, calls_body, usage_fields
from threadmill_workers.metrics.recorder import MetricsRecorder

_WORKER_DIED_OUTPUT = (
    "The worker that made this call died. Whether the call had an effect is not known; "
    "look before you repeat it."
)

_CONSEQUENCES: dict[OnInterrupt, str] = {
    "report": "the model is told so",
    "retry": "it is called again",
    "fail": "the run fails",
}
"""What becomes of an interrupted call, in words for the log."""


class ToolCalls:
    """Executes the tool calls of one run."""

    def __init__(
        self,
        *,
        held: HeldRun,
        router: CallRouter,
        registry: ToolRegistry,
        runner: ToolRunner,
        history: History,
        wait_for_lease: Callable[[], Awaitable[None]],
        metrics: MetricsRecorder,
    ) -> None:
        """The calls of one run.

        Args:
            held: where their outputs are written.
            router: decides which of them are not for this worker.
            registry: the functions.
            runner: what calls them.
            history: what the model will be sent.
            wait_for_lease: waits until the worker's lease is confirmed: before that, the run may
                be another worker's.
            metrics: takes note of each call.
        """
        self._held = held
        self._metrics = metrics
        self._router = router
        self._record = held.record
        self._registry = registry
        self._runner = runner
        self._history = history
        self._wait_for_lease = wait_for_lease

    async def execute(self, reply: Reply) -> AskModel | Finish | Park | HandOver:
        """Store the turn, then make its calls.

        Args:
            reply: the turn; its batch is not yet written.

        Returns:
            The end, if a tool has ended the run; else how the calls that are not for this worker
            are answered; else the model is asked again.

        Raises:
            LostRun: the run is no longer ours; no call was begun, or the others were interrupted.
            ToolInterrupted: a tool that was interrupted must fail its run.
            ToolNotFound: no worker has the function of a call.
        """
        left = [call for call in reply.calls if call.id not in reply.results]
        here = [call for call in left if self._router.waits_for(call) is None]
        self._mark(left, here, reply.batch)
        await self._held.write(reply.batch)
        # After a failover, another worker would repeat calls that are not known to be stored.
        await self._held.wait_for_replica()
        if (end := await self._call_here(here, reply)) is not None:
            return Finish(Status.CANCELLED, data=end.data)
        return await self._router.route([call for call in left if call not in here], reply)

    def _mark(self, left: Sequence[OpenCall], here: Sequence[OpenCall], batch: Batch) -> None:
        """Store which calls are made here, and what the others get if nobody makes them."""
        for call in left:
            if call not in here:
                output = call.output(UNBEGUN_OUTPUT, failed=True, run_id=self._record.id)
                batch.leave_call(call.id, output)
            elif not call.is_begun:
                batch.begin_call(call.id)

    async def _call_here(self, calls: Sequence[OpenCall], reply: Reply) -> EndRun | None:
        """Make calls in parallel until all have an output, or one of them ends the run."""
        ended: EndRun | None = None
        self._held.is_calling_tools = True
        begun = [asyncio.ensure_future(self._execute_one(call)) for call in calls]
        try:
            for done in asyncio.as_completed(begun):
                call, result = await done
                reply.results[call.id] = result
                ended = ended or result.end
                self._store_output(call, reply)
                if ended is not None:
                    break
        finally:
            self._held.is_calling_tools = False
            for task in begun:
                task.cancel()
        await self._held.stored()
        await self._held.ask_replica()
        return ended

    async def _execute_one(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        return await (self._resolve_interrupted(call) if call.is_begun else self._call(call))

    async def _resolve_interrupted(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        """Do with a call that another attempt has begun what its tool's author has chosen."""
        spec = self._router.spec(call)
        policy = "report" if spec is None else spec.on_interrupt
        if spec is not None:  # what is not, had no effect, and its name is the model's
            log_interrupted_call(call.name, call.id, self._record.id, _CONSEQUENCES[policy])
        if policy == "retry":
            return await self._call(call)
        if policy == "fail":
            raise errors.ToolInterrupted(
                f"{call.name} was interrupted, and its on_interrupt is 'fail'."
            )
        return call, ToolResult(
            output=_WORKER_DIED_OUTPUT,
            failed=True,
            error=errors.ToolInterrupted.__name__,
            failure="interrupted: its worker ended",
        )

    async def _call(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        spec = self._router.spec(call)
        if spec is None:
            return call, self._refuse_unknown(call)
        found = self._registry.find(spec.identity, spec.digest)
        if found is None:
            return call, _refuse_arguments(call)
        context = CallContext(
            run_id=self._record.id,
            thread_id=self._record.thread_id,
            call_id=call.id,
            attempt=self._record.attempts,
            idempotency_key=call.id,
            assistant=self._record.request.assistant_name,
            context=self._record.context,
        )
        await self._wait_for_lease()
        return call, await self._measured(found, call.arguments, context)

    async def _measured(self, tool: Tool, arguments: str, context: CallContext) -> ToolResult:
        begun_at, outcome = time.monotonic(), "interrupted"
        try:
            result = await self._runner.call(tool, arguments, context)
            outcome = _outcome(result)
        finally:
            self._metrics.note_tool_call(tool.spec.name, outcome, time.monotonic() - begun_at)
        return result

    def _refuse_unknown(self, call: OpenCall) -> ToolResult:
        names = [tool.name for tool in self._record.request.tools]
        text = f"Error: {explain_unknown(call.name, names)}"
        name, failure = errors.ToolNotFound.__name__, "not executed: there is no such tool"
        return ToolResult(output=text, failed=True, error=name, failure=failure)

    def _store_output(self, call: OpenCall, reply: Reply) -> None:
        calls, results, batch = reply.calls, reply.results, Batch()
        result = results[call.id]
        item = call.output(result.output, failed=result.failed, run_id=self._record.id)
        batch.item(item)
        self._history.append(item)
        batch.close_call(call.id)
        if result.error != errors.ToolInterrupted.__name__:
            batch.forget_call_deaths()
        is_last = len(results) == len(calls)
        body = calls_body(calls, results, usage_fields(reply.usage) if is_last else None)
        batch.step(reply.step, body, "completed" if is_last else "")
        index = [one.id for one in calls].index(call.id)
        if result.failed:
            data = {"call_id": call.id, "name": call.name, "error": result.error}
            batch.record(OwnEvent("threadmill.tool.failed", data))
        batch.record(ToolCallAnswered(reply.step, index, call.id, result.output))
        if is_last:
            batch.record(ToolStepEnded(reply.step, "completed", body))
        self._held.put(batch)


def _outcome(result: ToolResult) -> str:
    """How a call has ended, in a word for the metrics."""
    if result.error in _OUTCOMES:
        return _OUTCOMES[result.error]
    if result.end is not None:
        return "ended_run"
    return "failed" if result.failed else "completed"


_OUTCOMES = {
    errors.ToolTimedOut.__name__: "timed_out",
    errors.ToolArgumentsInvalid.__name__: "invalid_arguments",
}


def _refuse_arguments(call: OpenCall) -> ToolResult:
    """What comes of a call that needs no function, since its arguments are none."""
    mistake = find_mistake(call.arguments)
    said = explain_mistake(call.name, mistake) if mistake else f"{call.name} cannot be called here."
    error = errors.ToolArgumentsInvalid if mistake else errors.ToolNotFound
    failure = INVALID_ARGUMENTS if mistake else "not executed: this worker lacks the function"
    output = f"Error: {said}"
    return ToolResult(output=output, failed=True, error=error.__name__, failure=failure)
