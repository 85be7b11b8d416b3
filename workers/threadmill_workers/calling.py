"""Calling the tools that a turn asks for: in parallel, each output stored as it comes.

A call has an identity of our own and is stored as open before its function is called. So a run that
moves to another worker knows which calls have an output, and calls none of these again. Calls whose
function no worker has, and those that somebody has to approve, park the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from threadmill_shared import errors
from threadmill_shared.runs import WaitsFor
from threadmill_shared.tools import CallContext, EndRun, ToolRegistry, ToolSpec
from threadmill_shared.tools.runner import ToolResult, ToolRunner
from threadmill_workers.batch import Batch
from threadmill_workers.history import History
from threadmill_workers.holding import HeldRun
from threadmill_workers.turn import OpenCall, Park, Reply, calls_body, usage_fields

INTERRUPTED_OUTPUT = (
    "The worker that made this call died. Whether the call had an effect is not known; "
    "look before you repeat it."
)


UNDECIDED_OUTPUT = "The run ended before anybody approved this call; it was not executed."


class ToolCalls:
    """Executes the calls of a turn, in parallel, and stores each output as it comes."""

    def __init__(
        self,
        held: HeldRun,
        registry: ToolRegistry,
        runner: ToolRunner,
        history: History,
        may_begin: Callable[[], Awaitable[None]],
    ) -> None:
        """The calls of one run.

        Args:
            held: where their outputs are written.
            registry: the functions.
            runner: what calls them.
            history: what the model will be sent.
            may_begin: waits until the worker may begin something: while its lease is not
                confirmed, the run may be another worker's.
        """
        self._held = held
        self._record = held.record
        self._registry = registry
        self._runner = runner
        self._history = history
        self._may_begin = may_begin

    async def call_all(self, reply: Reply) -> EndRun | Park | None:
        """Store the turn, then make its calls.

        Args:
            reply: the turn; its batch is not yet written.

        Returns:
            What ended the run, if one of the calls did; else what it is parked for, if somebody
            outside has to answer some of them.

        Raises:
            LostRun: the run is no longer ours; no call was begun, or the others were interrupted.
            ToolInterrupted: a tool that was interrupted is to fail its run.
            ToolNotFound: nobody has the function of a call.
        """
        waiting = {call.id: self._waits_for(call) for call in reply.calls}
        left = [call for call in reply.calls if call.id not in reply.results]
        here = [call for call in left if waiting[call.id] is None]
        for call in here:
            if not call.is_begun:
                reply.batch.begin_call(call.id)
        await self._held.write(reply.batch)
        # What is not known to be stored would be called again by whoever goes on after a failover.
        await self._held.wait_for_replica()
        self._refuse_what_nobody_has(left)
        ended = await self._call_here(here, reply)
        outside = {call: what for call in left if (what := waiting[call.id]) is not None}
        return ended or (self._parking(outside, reply) if outside else None)

    async def _call_here(self, calls: Sequence[OpenCall], reply: Reply) -> EndRun | None:
        """Make calls in parallel, each output stored as it comes, until one ends the run."""
        ended: EndRun | None = None
        self._held.is_calling_tools = True
        begun = [asyncio.ensure_future(self._settle(call)) for call in calls]
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

    async def _settle(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        return await (self._settle_interrupted(call) if call.is_begun else self._call(call))

    # ---- calls that are not for this worker ------------------------------------------------------

    def _waits_for(self, call: OpenCall) -> WaitsFor | None:
        """Whom outside the call waits for; None: it is for this worker."""
        spec = self._spec(call.name)
        if spec is None or call.is_begun:
            return None
        if spec.needs_approval and not call.is_approved:
            return "approval"
        return None if self._registry.find(spec.identity, spec.digest) else "output"

    def _refuse_what_nobody_has(self, calls: Sequence[OpenCall]) -> None:
        """Refuse calls of functions that neither this worker has nor whoever enqueued the run."""
        for call in calls:
            spec = self._spec(call.name)
            if spec is None or spec.is_external or self._waits_for(call) != "output":
                continue
            if spec.name not in self._record.request.local_tools:
                raise errors.ToolNotFound(
                    f"The model called {spec.name}, and no live worker has its function "
                    f"({spec.identity}). Load its module in a worker (threadmill worker MODULE), "
                    "or pass the function where the run is enqueued (tools=[...])."
                )

    def _parking(self, calls: Mapping[OpenCall, WaitsFor], reply: Reply) -> Park:
        """What stores that the run waits for somebody outside."""
        batch = Batch()
        batch.step(reply.step, calls_body(reply.calls, reply.results, usage_fields(reply.usage)))
        for call, what in calls.items():
            batch.wait_for(call.id, what)
            if what == "approval":
                closing = call.output(UNDECIDED_OUTPUT, failed=True, run_id=self._record.id)
                batch.open_call(call.id, closing)
        required = [[call.id, call.name, call.arguments, what] for call, what in calls.items()]
        batch.record(
            "r", "requires_action", {"required": required, "started_at": self._record.started_at}
        )
        needs_somebody = "approval" in calls.values()
        return Park(batch, self._record.approval_ms if needs_somebody else self._record.park_ms)

    # ---- calls that are --------------------------------------------------------------------------

    async def _settle_interrupted(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        """What becomes of a call that was begun by another attempt: its tool's author decides."""
        spec = self._spec(call.name)
        policy = "report" if spec is None else spec.on_interrupt
        if policy == "retry":
            return await self._call(call)
        if policy == "fail":
            raise errors.ToolInterrupted(
                f"{call.name} was interrupted, and its on_interrupt is 'fail'."
            )
        name = errors.ToolInterrupted.__name__
        return call, ToolResult(output=INTERRUPTED_OUTPUT, failed=True, end=None, error=name)

    async def _call(self, call: OpenCall) -> tuple[OpenCall, ToolResult]:
        spec = self._spec(call.name)
        found = None if spec is None else self._registry.find(spec.identity, spec.digest)
        if found is None:
            return call, _unknown_tool(call)
        context = CallContext(
            run_id=self._record.id,
            thread_id=self._record.thread_id,
            call_id=call.id,
            attempt=self._record.attempts,
            idempotency_key=call.id,
            context=self._record.context,
        )
        await self._may_begin()
        return call, await self._runner.call(found, call.arguments, context)

    def _spec(self, name: str) -> ToolSpec | None:
        return next((spec for spec in self._record.request.tools if spec.name == name), None)

    def _store_output(self, call: OpenCall, reply: Reply) -> None:
        calls, results, batch = reply.calls, reply.results, Batch()
        result = results[call.id]
        item = call.output(result.output, failed=result.failed, run_id=self._record.id)
        batch.item(item)
        self._history.append(item)
        batch.close_call(call.id)
        if result.error != errors.ToolInterrupted.__name__:  # the run has got on
            batch.set(deaths=0, call_deaths=0)
        is_last = len(results) == len(calls)
        body = calls_body(calls, results, usage_fields(reply.usage) if is_last else None)
        batch.step(reply.step, body, "completed" if is_last else "")
        index = [one.id for one in calls].index(call.id)
        if result.failed:
            data = {"call_id": call.id, "name": call.name, "error": result.error}
            batch.record("x", "threadmill.tool.failed", data)
        batch.record("to", reply.step, index, call.id, result.output)
        if is_last:
            batch.record("te", reply.step, "completed", body)
        self._held.put(batch)


def _unknown_tool(call: OpenCall) -> ToolResult:
    text = f"Error: there is no tool {call.name!r} that can be called here."
    return ToolResult(output=text, failed=True, end=None, error=errors.ToolNotFound.__name__)
