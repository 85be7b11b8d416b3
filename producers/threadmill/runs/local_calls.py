"""Executing a parked run's calls in the process that waits for it, if it has their functions.

A call is leased before it is executed, so of all processes that wait for a run one executes it.
What the function gives is submitted, and the run continues, on any worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from threadmill.client.bridge import BridgeClosed
from threadmill.client.driving import callers_loop
from threadmill.runs import call_lease
from threadmill.runs.call_lease import OURS, CallLease, until_answered
from threadmill_shared import errors
from threadmill_shared.records.changes import ParkedCall
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.publishable import Publishable
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.parked_runs import (
    INTERRUPTED_OUTPUT,
    LEASE_SECONDS,
    LOST_PROCESS,
    CallOutcome,
)
from threadmill_shared.tools import CallContext, Tool, ToolSpec
from threadmill_shared.tools.runner import ToolResult, ToolRunner

if TYPE_CHECKING:
    from threadmill.client.client import Client

logger = logging.getLogger("threadmill")

T = TypeVar("T")

PATIENCE_SECONDS = LEASE_SECONDS / 2
"""A live process has renewed its lease by then, once Redis answers again."""


@dataclass(frozen=True)
class _Job:
    """A call that this process may execute."""

    call: ParkedCall
    spec: ToolSpec
    tool: Tool
    record: RunRecord


class LocalCalls:
    """Executes the calls of one run while somebody of this process waits for it.

    Async functions run on the event loop of whoever awaits the run. If a thread waits for it, they
    have a loop of their own. Sync functions run in threads, side by side. All commands to Redis
    about a call are sent on the bridge: a function may block its loop longer than a lease lasts.
    """

    def __init__(self, client: Client, run_id: str, functions: Sequence[Tool]) -> None:
        """Nothing is executed before `execute_parked`.

        Args:
            client: how the store is reached.
            run_id: the run.
            functions: those of its caller; the `@tool`s and assistants of loaded modules are known,
                too.
        """
        self._client = client
        self._run_id = run_id
        self._functions = functions
        self._callers_loop = callers_loop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: ToolRunner | None = None
        self._begun: set[str] = set()
        self._under_way = 0
        self._is_closed = False

    def execute_parked(self) -> None:
        """Execute the calls that the run waits for, if this process can; returns at once."""
        self._loop = self._callers_loop or self._client.functions_loop()
        work = self._guarded(self._execute_parked)
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # it is closed: the process ends
            work.close()

    async def lacks_answers(self) -> bool:
        """Whether the run waits for an answer that this process does not give; on the bridge.

        Raises:
            RunNotFound: there is no such run.
        """
        store, run_id = self._client.store, self._run_id
        calls = await until_answered(partial(store.parked_runs.calls, run_id))
        record = await until_answered(partial(store.runs.record, run_id)) if calls else None
        return record is not None and any(
            call.waits_for != "output" or self._job(call, record) is None for call in calls
        )

    def close(self) -> None:
        """Start no further call. Those in progress continue, and submit their outputs."""
        self._is_closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # as above
                self._loop.call_soon_threadsafe(self._end_when_idle)

    def _end_when_idle(self) -> None:
        if self._is_closed and not self._under_way and self._runner is not None:
            self._runner.close()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        self._under_way += 1
        try:
            await work()
        except BridgeClosed:
            pass
        except Exception as error:  # noqa: BLE001  nobody awaits this
            logger.error("a call of %s was not executed: %s", self._run_id, type(error).__name__)
        finally:
            self._under_way -= 1
            self._end_when_idle()

    async def _execute_parked(self) -> None:
        client, run_id = self._client, self._run_id
        calls = await self._on_bridge(
            until_answered(partial(client.store.parked_runs.calls, run_id))
        )
        new = [c for c in calls if c.waits_for == "output" and c.id not in self._begun]
        if not new or self._is_closed:
            return
        record = await self._on_bridge(until_answered(partial(client.store.runs.record, run_id)))
        jobs = [job for call in new if record and (job := self._job(call, record)) is not None]
        jobs = [job for job in jobs if job.call.id not in self._begun]
        self._begun.update(job.call.id for job in jobs)
        await asyncio.gather(*(self._guarded(partial(self._pursue, job)) for job in jobs))

    def _job(self, call: ParkedCall, record: RunRecord) -> _Job | None:
        spec = next((spec for spec in record.request.tools if spec.name == call.name), None)
        if spec is None or spec.is_external:
            return None
        for tool in (*self._functions, *_of_loaded_module(spec)):
            with contextlib.suppress(errors.BadTool):  # one that is not the one that is called
                if (tool.spec.identity, tool.spec.digest) == (spec.identity, spec.digest):
                    return _Job(call, spec, tool, record)
        return None

    # ---- one call --------------------------------------------------------------------------------

    async def _pursue(self, job: _Job) -> None:
        """Execute a call, unless another process does; if that one is lost, continue after it."""
        try:
            while not self._is_closed and not await self._attempt(job):
                await asyncio.sleep(call_lease.RENEW_SECONDS)
        finally:
            self._begun.discard(job.call.id)

    async def _attempt(self, job: _Job) -> bool:
        """Lease a call, and execute it; returns whether nobody has to look at it any more."""
        may_repeat = job.spec.on_interrupt == "retry"
        lease = CallLease(self._client, self._run_id, job.call.id, may_repeat=may_repeat)
        outcome, who = await self._on_bridge(lease.acquire())
        if outcome == "silent":
            # It may have been merely unreachable, while Redis stalled or was full.
            await asyncio.sleep(PATIENCE_SECONDS)
            if self._is_closed:
                return True
            outcome, _ = await self._on_bridge(lease.acquire(suspect=who))
            if outcome in (*OURS, "lapsed"):
                logger.warning("the process that executed %s was lost", job.call.id)
        if outcome == "lapsed":
            interrupted = _interrupted(job.spec)
            return await self._on_bridge(lease.submit(interrupted, is_lapsed=True))
        if outcome in OURS:
            return await self._execute_leased(job, lease)
        return outcome == "gone"

    async def _execute_leased(self, job: _Job, lease: CallLease) -> bool:
        """Execute a call and submit its output, and hold its lease until the output is stored."""
        renewing = asyncio.ensure_future(self._on_bridge(lease.renew_until_lost()))
        try:
            result = await self._execute(job, renewing)
            if result is None:
                logger.info("this process no longer holds call %s", job.call.id)
                return False
            return await self._on_bridge(lease.submit(_outcome(result)))
        finally:
            renewing.cancel()

    async def _execute(self, job: _Job, renewing: asyncio.Task[None]) -> ToolResult | None:
        """The function's result; None if nobody needs it any more."""
        context = CallContext(
            run_id=self._run_id,
            thread_id=job.record.thread_id,
            call_id=job.call.id,
            attempt=job.record.attempts,
            idempotency_key=job.call.id,
            assistant=job.record.request.assistant_name,
            context=job.record.context,
        )
        runner = self._ensure_runner()
        work = asyncio.ensure_future(runner.call(job.tool, job.call.arguments, context))
        try:
            await asyncio.wait([work, renewing], return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            work.cancel()

    def _ensure_runner(self) -> ToolRunner:
        if self._runner is None:
            settings = self._client.settings
            self._runner = ToolRunner(
                settings.tool_threads,
                settings.tool_seconds,
                max_output_bytes=settings.max_tool_output_bytes,
            )
        return self._runner

    async def _on_bridge(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(self._client.call(work).future)


def _of_loaded_module(spec: ToolSpec) -> Iterator[Tool]:
    """The tools of the module that a spec names, if this process has loaded it.

    A plain function is not one, unless an assistant of the module offers it: data in Redis must not
    be able to name any function of any module.
    """
    module = sys.modules.get(spec.identity.partition(":")[0])
    for value in list(vars(module).values()) if module is not None else ():
        if isinstance(value, Tool):
            yield value
        elif isinstance(value, Publishable):
            with contextlib.suppress(errors.BadTool):
                yield from value.functions()


def _outcome(result: ToolResult) -> CallOutcome:
    if result.end is not None:
        return CallOutcome.cancelled(result.output, data=result.end.data)
    return CallOutcome(result.output, result.error or "", failure=result.failure or "")


def _interrupted(spec: ToolSpec) -> CallOutcome:
    """The output of a call that a lost process had begun: its tool's author decides."""
    name = errors.ToolInterrupted.__name__
    if spec.on_interrupt != "fail":
        return CallOutcome(INTERRUPTED_OUTPUT, name, failure=LOST_PROCESS)
    text = f"{spec.name} was interrupted, and its on_interrupt is 'fail'."
    return CallOutcome.failed(INTERRUPTED_OUTPUT, error=name, last_error=LastError.of(name, text))
