"""One attempt to execute a run: from the moment this worker holds it until it lets go of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from threadmill_shared import errors
from threadmill_shared.broker.queues import Queues
from threadmill_shared.model import files_of
from threadmill_shared.records.changes import WaitsFor
from threadmill_shared.records.last_error import ErrorCode, LastError
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.retirements.announcements import warn_of_retirement
from threadmill_shared.store.batch import Batch
from threadmill_workers.consuming.task_outcomes import GIVEN_BACK, PARKED, TaskOutcome
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.call_routing import CallRouter
from threadmill_workers.execution.claim import claim
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.history_reducer import HistoryReducer
from threadmill_workers.execution.interruption import Interruption, LostRun
from threadmill_workers.execution.loop import run_turns
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.next_step import (
    Finish,
    HandOver,
    LoopEnd,
    Outcome,
    Park,
    Release,
)
from threadmill_workers.execution.output_files import OutputFiles
from threadmill_workers.execution.result_check import ResultCheck
from threadmill_workers.execution.run_end import RunEnd
from threadmill_workers.execution.tool_calls import ToolCalls
from threadmill_workers.execution.turn import OpenCall
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.execution.worker_wait import WorkerWait
from threadmill_workers.log_text import describe_error

logger = logging.getLogger("threadmill.worker")

_ASKING_SECONDS = 3.0
"""How long Redis may take to say whether it knows a run that was lost."""


class Attempt:
    """Executes a run that this worker holds, and lets go of it in the end."""

    def __init__(
        self,
        held: HeldRun,
        context: WorkerContext,
        *,
        task_id: str,
        cancel_children: Callable[[], Awaitable[None]],
    ) -> None:
        """An attempt that has not begun.

        Args:
            held: the run.
            context: what the worker's runs share.
            task_id: the Celery task that the run is executed for.
            cancel_children: cancels the runs that this one's tools have enqueued.
        """
        self._held = held
        self._record = held.record
        self._context = context
        self._task_id = task_id
        self._cancel_children = cancel_children
        queues, own = Queues(context.settings.namespace), held.record.queue
        is_script = queues.is_embedded(own)
        # A script's queue has one worker, and says nothing of providers; nor does the common one.
        self._queue = "" if own == queues.common or is_script else own
        self._searched_queue = None if is_script else own
        """The queue whose workers can continue the run; None: any, since it is a script's run."""
        history = self._make_history()
        self._worker_wait = self._make_wait()
        self._router = self._make_router()
        self._turns = self._make_turns(history)
        self._tools = self._make_tools(history)
        self._result = ResultCheck(held, history)

    def _make_history(self) -> History:
        return History(
            self._context.store,
            self._record.thread_id,
            self._held.position,
            self._record.request.options.truncation_strategy,
            recent=self._held.take_recent_items(),
            queue=self._queue,
        )

    def _make_wait(self) -> WorkerWait:
        context, queue = self._context, self._searched_queue
        # A script has only one worker.
        seconds = 0 if queue is None else context.settings.worker_wait_seconds
        workers, watch = context.store.workers, context.worker_watch
        return WorkerWait(self._held, workers, watch, queue=queue, seconds=seconds)

    def _make_router(self) -> CallRouter:
        find = partial(self._context.store.workers.worker_with_more, queue=self._searched_queue)
        return CallRouter(self._held, self._context.tools, find, self._worker_wait)

    def _make_turns(self, history: History) -> ModelTurns:
        held, context = self._held, self._context
        model, store = context.model, context.store
        files = files_of(model)
        return ModelTurns(
            held=held,
            model=model,
            history=history,
            reducer=HistoryReducer(held=held, store=store, history=history, model=model),
            wait_for_lease=context.lease.wait_until_confirmed,
            provider=context.provider,
            retries=context.settings.model_retries,
            attached=AttachedFiles(store, held, files),
            output_files=OutputFiles(store, held, files, context.settings.file_bytes),
            metrics=context.metrics,
        )

    def _make_tools(self, history: History) -> ToolCalls:
        held, context = self._held, self._context
        return ToolCalls(
            held=held,
            router=self._router,
            registry=context.tools,
            runner=context.runner,
            history=history,
            wait_for_lease=context.lease.wait_until_confirmed,
            metrics=context.metrics,
        )

    async def perform(self) -> TaskOutcome | None:
        """Execute the run as far as this worker can, and let go of it.

        Returns:
            What the Celery task shows; None if another worker has the run now, and will show it.
        """
        try:
            return await self._perform_or_fail()
        except LostRun:
            if self._held.refusal:
                return await self._end_refused()
            await self._log_loss()
            return None

    async def _log_loss(self) -> None:
        """Say what has become of a run that this worker does not hold any more."""
        run_id = self._record.id
        if await self._is_known():
            logger.info("another worker has taken over %s, or has ended it", run_id)
        else:
            logger.warning("Redis does not know %s any more: it has lost data", run_id)

    async def _is_known(self) -> bool:
        """Whether Redis has the run; also if it does not answer soon."""
        try:
            async with asyncio.timeout(_ASKING_SECONDS):
                return await self._context.store.runs.exists(self._record.id)
        except (TimeoutError, errors.InfrastructureError):
            return True

    async def _perform_or_fail(self) -> TaskOutcome:
        try:
            return await self._conclude(await self._execute())
        except LostRun:
            raise
        except (errors.ModelError, errors.ToolError) as error:
            return await self._finish(_failed(error))
        except Exception as error:  # noqa: BLE001  a fault of ours must not leave the thread locked
            logger.error("%s could not be executed: %s", self._record.id, describe_error(error))
            return await self._finish(_failed(error))

    # ---- executing -------------------------------------------------------------------------------

    async def _execute(self) -> Outcome:
        self._record.refuse_unreadable()
        hand_over = await self._router.find_better_worker()
        if hand_over is not None:
            return hand_over
        warn_of_retirement(self._record.request.model)
        return await self._run_until_interrupted()

    async def _run_until_interrupted(self) -> Outcome:
        """Run the loop to its end, unless the deadline passes or somebody interrupts it."""
        max_turns = self._record.request.max_turns
        work = asyncio.ensure_future(run_turns(self._turns, self._tools, self._result, max_turns))
        self._held.on_stop(work.cancel)
        await asyncio.wait([work], timeout=max(self._held.seconds_left, 0))
        if not work.done():
            await _cancel(work)
            return self._expired()
        if not work.cancelled():
            return work.result()
        match self._held.stop_reason:
            case Interruption.CANCEL:
                return self._cancelled()
            case Interruption.YIELD:
                return Release()
            case _:
                raise LostRun(self._record.id)

    def _expired(self) -> Finish:
        text = (
            "The run did not end in time (THREADMILL_RUN_SECONDS of the process that enqueued it)."
        )
        if (awaited := self._worker_wait.awaited) is not None:
            text += f" It was waiting for a worker that has {awaited.identity}."
        partial = self._turns.partial_message("run_expired", "expired")
        return Finish(Status.EXPIRED, partial, error=LastError.of("deadline", text))

    def _cancelled(self) -> Finish:
        """End the run as cancelled, with what it has said."""
        partial = self._turns.partial_message("run_cancelled", "cancelled")
        return Finish(Status.CANCELLED, partial)

    # ---- letting go ------------------------------------------------------------------------------

    async def _conclude(self, outcome: Outcome) -> TaskOutcome:
        match outcome:
            case Finish():
                return await self._finish(outcome)
            case Park():
                return await self._park(outcome)
            case HandOver():
                return await self._hand_over(outcome)
            case Release():
                return await self._release()

    async def _finish(self, end: Finish) -> TaskOutcome:
        end.batch.end(reason=end.reason, error=end.error, data=end.data)
        self._context.sender.send(await self._held.finish(end.status, end.batch))
        if end.status in (Status.CANCELLED, Status.EXPIRED):
            await self._cancel_children()
        if self._held.ended_as is None:  # the store has gone back to an earlier state
            return GIVEN_BACK
        self._context.ended_logs.note(self._record.id)
        return self._log_end(self._held.ended_as, end.error)

    def _log_end(self, status: Status, error: LastError | None) -> TaskOutcome:
        error = error if status in (Status.FAILED, Status.EXPIRED) else None
        RunEnd(self._record, status, self._held.seconds, self._held.tokens, error).report(
            self._context.metrics
        )
        return TaskOutcome.of_end(status, error)

    async def _park(self, park: Park) -> TaskOutcome:
        if not await self._held.park(park.batch, park.wait_ms):
            return await self._release()
        run_id = self._record.id
        waiting = [_describe(run_id, call, what) for call, what in park.calls.items()]
        logger.info("%s waits for an answer from outside: %s", run_id, "; ".join(waiting))
        return PARKED

    async def _hand_over(self, step: HandOver) -> TaskOutcome:
        handed_over = Batch()
        handed_over.hand_over()
        self._held.put(handed_over)
        return await self._release(to_queue=step.queue)

    async def _release(self, to_queue: str | None = None) -> TaskOutcome:
        """Give the run back as it stands: to one queue, or to whichever worker comes first."""
        dispatch = await self._held.release()
        if dispatch is None:  # it was being cancelled
            return await self._finish(self._cancelled())
        if to_queue is not None:
            dispatch = replace(dispatch, queue=to_queue, begun=False)
        self._context.sender.send(dispatch)
        return GIVEN_BACK

    async def _end_refused(self) -> TaskOutcome | None:
        """End a run that the store refuses to write for; asking its model again would not help."""
        context, text = self._context, "Redis refuses what the run writes; see the worker's log."
        ended = await context.store.runs.force_end(
            self._record.id,
            status=Status.FAILED,
            lost=self._held.token,
            last_error=LastError.of(self._held.refusal, text),
        )
        if ended is None:
            return None
        context.sender.send(ended.send)
        found = await claim(context.store, context.lease.holder, self._record.id, self._task_id)
        if not isinstance(found, RunRecord):  # another worker has reported it already
            return None
        RunEnd.of(found).report(context.metrics)
        return TaskOutcome.of_end(found.status, found.last_error)


def _describe(run_id: str, call: OpenCall, what: WaitsFor) -> str:
    """What a call waits for, in words for the log."""
    text = f"{what} of tool {call.name}, {call.id}"
    return f"{text} (threadmill approve {run_id} {call.id})" if what == "approval" else text


async def _cancel(work: asyncio.Future[LoopEnd]) -> None:
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()  # so that nobody reports it as never retrieved


def _failed(error: Exception) -> Finish:
    code: ErrorCode = "server_error"
    if isinstance(error, errors.ModelUnavailable) and error.rate_limited:
        code = "rate_limit_exceeded"
    elif isinstance(error, (errors.ModelRefused, errors.ContextTooLong)):
        code = "invalid_prompt"
    text = "An internal error; see the worker's log."
    if isinstance(error, errors.ThreadmillError):
        text = str(error)
    return Finish(Status.FAILED, error=LastError.of(type(error).__name__, text, code))
