"""Executes runs: claim, loop, end. One coroutine per run, all on the process's one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace

from pydantic_core import to_json

from threadmill_shared import errors, ids
from threadmill_shared.broker.sender import Sender
from threadmill_shared.broker.task_labels import TaskLabel
from threadmill_shared.model import Model, files_of
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.last_error import ErrorCode, LastError
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.retirements.announcements import warn_of_retirement
from threadmill_shared.settings import Settings
from threadmill_shared.store.runs import Store
from threadmill_shared.store.workers import Workers
from threadmill_shared.tools import ToolRegistry
from threadmill_shared.tools.runner import ToolRunner
from threadmill_workers.consuming.task_events import TaskEvents
from threadmill_workers.consuming.task_outcomes import GIVEN_BACK, PARKED, TaskOutcome
from threadmill_workers.execution.attachments import AttachedFiles
from threadmill_workers.execution.batch import Batch
from threadmill_workers.execution.call_routing import CallRouter
from threadmill_workers.execution.claim import claim
from threadmill_workers.execution.held_run import HeldRun, Interruption, LostRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.loop import Ending, run_turns
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.output_files import OutputFiles
from threadmill_workers.execution.provider_health import ProviderHealth
from threadmill_workers.execution.result_check import ResultCheck
from threadmill_workers.execution.run_end import RunEnd
from threadmill_workers.execution.tool_calls import ToolCalls
from threadmill_workers.execution.turn import HandOver, Park
from threadmill_workers.log_text import fault
from threadmill_workers.membership.lease import Lease

logger = logging.getLogger("threadmill.worker")


@dataclass(frozen=True)
class WorkerContext:
    """What a worker process works with."""

    settings: Settings
    store: Store
    sender: Sender
    lease: Lease
    model: Model
    tools: ToolRegistry
    runner: ToolRunner
    events: TaskEvents


class Executor:
    """Executes the runs of one worker process."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._claiming: list[str] = []
        self._running: dict[str, HeldRun] = {}
        self._children: dict[str, set[str]] = {}
        self._provider = ProviderHealth()
        self._closing = False

    async def execute(self, run_id: str, *, task_id: str = "", parent: str | None = None) -> None:
        """Execute a run, if it is there to be claimed; a message delivered again does nothing.

        A run that has ended without a worker is reported, to the log and to Celery's monitors.

        Args:
            run_id: the run.
            task_id: the Celery task that asks for it.
            parent: the run of the tool that has enqueued this one, which is cancelled with it.
        """
        if parent is not None and parent in self._running:
            self._children.setdefault(parent, set()).add(run_id)
        await self._context.lease.confirmed()
        if self._closing:
            attempt = ids.attempt_of_task(task_id)
            self._context.sender.send(Dispatch(run_id, "", begun=True, attempt=attempt))
            return
        if parent is not None:  # it came without a message, and is to be seen all the same
            task_id = ids.new_task_id(run_id, 1)
        match await self._claim(run_id, task_id):
            case HeldRun() as held:
                await self._execute_held(held, task_id)
            case RunRecord() as record:
                self._report(record, task_id)

    async def _claim(self, run_id: str, task_id: str) -> HeldRun | RunRecord | None:
        self._claiming.append(run_id)
        try:
            return await claim(self._context.store, self._context.lease.holder, run_id, task_id)
        finally:
            self._claiming.remove(run_id)

    async def report_end(self, run_id: str) -> None:
        """Report the end of a run that no worker held, unless somebody has."""
        task_id = ids.new_task_id(run_id, 0)
        found = await self._claim(run_id, task_id)
        if isinstance(found, RunRecord):
            self._report(found, task_id)

    def _report(self, record: RunRecord, task_id: str) -> None:
        """Tell how a run has ended that no worker held then."""
        if record.is_forced:
            self._context.events.taken_over(record)
        RunEnd.of(record).log()
        label, outcome = TaskLabel.of(record), TaskOutcome.of_end(record.status, record.last_error)
        self._context.events.began(task_id, label)
        self._context.events.ended(task_id, label, outcome, record.seconds)

    async def _execute_held(self, held: HeldRun, task_id: str) -> None:
        run_id, label, begun_at = held.record.id, TaskLabel.of(held.record), time.monotonic()
        if (former := self._running.get(run_id)) is not None:
            former.stop(
                Interruption.LOST
            )  # the run was taken from this worker, and has come back to it
        self._running[run_id] = held
        self._context.events.began(task_id, label)
        try:
            outcome: TaskOutcome | None = await self._perform_or_fail(held)
        except LostRun:
            outcome = await self._let_lost(held, task_id)
        finally:
            if self._running.get(run_id) is held:  # it may have come back to this worker
                del self._running[run_id]
                self._children.pop(run_id, None)
        if outcome is not None:
            self._context.events.ended(task_id, label, outcome, time.monotonic() - begun_at)

    async def _perform_or_fail(self, held: HeldRun) -> TaskOutcome:
        try:
            return await self._perform(held)
        except LostRun:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must not leave the thread locked
            logger.error("%s could not be executed: %s", held.record.id, fault(error))
            return await self._finish(held, _failed(error))

    async def _perform(self, held: HeldRun) -> TaskOutcome:
        record, context = held.record, self._context
        record.refuse_unreadable()
        if (outcome := await self._handed_over(held)) is not None:
            return outcome
        warn_of_retirement(record.request.model)
        strategy = record.request.options.truncation_strategy
        history = History(context.store, record.thread_id, held.position, strategy)
        may_begin = context.lease.confirmed
        files = files_of(context.model)
        model = ModelTurns(
            *(held, context.model, history, may_begin, self._provider),
            retries=context.settings.model_retries,
            attached=AttachedFiles(context.store, held, files),
            produced=OutputFiles(context.store, held, files, context.settings.file_bytes),
        )
        find_worker = Workers(context.store).worker_with_more
        outside = CallRouter(held, context.tools, find_worker)
        calls = ToolCalls(held, outside, context.tools, context.runner, history, may_begin)
        match await self._outcome(held, model, calls, ResultCheck(held, history)):
            case Ending() as ending:
                return await self._finish(held, ending)
            case Park() as park:
                return await self._park(held, park, model)
            case HandOver(queue):
                return await self._pass_on(held, queue)
        return await self._give_back(held, model)

    async def _outcome(
        self, held: HeldRun, model: ModelTurns, calls: ToolCalls, results: ResultCheck
    ) -> Ending | Park | HandOver | None:
        """How the run ends, or what becomes of it instead; None where it is to be given back.

        Raises:
            LostRun: it is no longer ours.
        """
        max_turns = held.record.request.max_turns
        work = asyncio.ensure_future(run_turns(model, calls, results, max_turns))
        held.on_stop(work.cancel)
        done, _ = await asyncio.wait([work], timeout=max(held.seconds_left, 0))
        if not done:
            await _cancelled(work)
            return _expired(model)
        if not work.cancelled():
            try:
                return work.result()
            except (errors.ModelError, errors.ToolError) as error:
                return _failed(error)
            except LostRun:
                raise
            except Exception as error:  # noqa: BLE001  a fault of ours must not leave the thread locked
                logger.error("%s failed: %s", held.record.id, fault(error))
                return _failed(error)
        if held.stop_reason is Interruption.CANCEL:
            return Ending(Status.CANCELLED, model.partial_message("run_cancelled", "cancelled"))
        if held.stop_reason is Interruption.YIELD:
            return None
        raise LostRun(held.record.id)

    async def _handed_over(self, held: HeldRun) -> TaskOutcome | None:
        """Give a run that has not begun to a worker that has more of its tools, if there is one.

        Later its calls say where it goes: one that was passed on for a call must not be sent back.
        """
        if held.record.turn:
            return None
        wanted = [tool for tool in held.record.request.tools if not tool.is_external]
        here = sum(bool(self._context.tools.find(tool.identity, tool.digest)) for tool in wanted)
        if here == len(wanted):
            return None
        # More of them: two that each have a half would pass the run on for ever.
        worker = await Workers(self._context.store).worker_with_more(wanted, here)
        return None if worker is None else await self._pass_on(held, worker.queue)

    async def _pass_on(self, held: HeldRun, queue: str) -> TaskOutcome:
        passed_on = Batch()
        passed_on.set(handed_over=1)
        held.put(passed_on)
        dispatch = await held.give_back()
        if dispatch is None:  # it was being cancelled meanwhile
            return await self._finish(held, Ending(Status.CANCELLED, Batch()))
        self._context.sender.send(replace(dispatch, queue=queue, begun=False))
        return GIVEN_BACK

    async def _finish(self, held: HeldRun, ending: Ending) -> TaskOutcome:
        fields: dict[str, str | int] = {}
        for name, value in (
            ("reason", ending.reason),
            ("last_error", ending.error),
            ("data", ending.data),
        ):
            if value is not None:
                fields[name] = to_json(value).decode()
        self._context.sender.send(await held.finish(ending.status, ending.batch, fields=fields))
        if ending.status in (Status.CANCELLED, Status.EXPIRED):
            await self._cancel_children(held.record.id)
        if held.ended_as is None:  # the store has gone back to an earlier state
            return GIVEN_BACK
        return _told(held, held.ended_as, ending.error)

    async def _cancel_children(self, run_id: str) -> None:
        for child in self._children.pop(run_id, ()):
            await self.cancel(child)

    async def cancel(self, run_id: str) -> None:
        """Cancel a run, whoever executes it; nothing where there is no such run any more."""
        with contextlib.suppress(errors.RunNotFound):
            ended = await self._context.store.cancel(run_id)
            self._context.sender.send(ended.send)

    async def revoked(self, run_id: str, task_id: str) -> None:
        """Cancel a run whose task somebody has revoked; that task shows its end."""
        with contextlib.suppress(errors.RunNotFound):
            ended = await self._context.store.cancel(run_id)
            self._context.sender.send(ended.send)
            if ended.status.is_terminal:
                found = await self._claim(run_id, task_id)
                if isinstance(found, RunRecord):
                    self._report(found, task_id)

    async def _let_lost(self, held: HeldRun, task_id: str) -> TaskOutcome | None:
        """What the task shows; None: whoever has taken the run tells what becomes of it."""
        if held.refusal:
            return await self._give_up(held, task_id)
        logger.info("%s was taken over or has ended elsewhere", held.record.id)
        return None

    async def _give_up(self, held: HeldRun, task_id: str) -> TaskOutcome | None:
        """End a run that the store refuses to write for; asking its model again would not help."""
        text = "Redis refuses what the run writes; see the worker's log."
        error = LastError.of(held.refusal, text)
        ended = await self._context.store.force(
            held.record.id, status=Status.FAILED, lost=held.token, last_error=error
        )
        if ended is None:
            return None
        self._context.sender.send(ended.send)
        found = await self._claim(held.record.id, task_id)
        if not isinstance(found, RunRecord):  # somebody else has reported it already
            return None
        RunEnd.of(found).log()
        return TaskOutcome.of_end(found.status, found.last_error)

    async def _park(self, held: HeldRun, park: Park, model: ModelTurns) -> TaskOutcome:
        if not await held.park(park.batch, park.wait_ms):
            return await self._give_back(held, model)
        logger.info("%s waits for an answer from outside", held.record.id)
        return PARKED

    async def _give_back(self, held: HeldRun, model: ModelTurns) -> TaskOutcome:
        dispatch = await held.give_back()
        if dispatch is None:  # it was being cancelled: that is how it ends, with what it has said
            partial = model.partial_message("run_cancelled", "cancelled")
            return await self._finish(held, Ending(Status.CANCELLED, partial))
        self._context.sender.send(dispatch)
        return GIVEN_BACK

    def stop(self, run_id: str) -> None:
        """Interrupt a run that was cancelled; nothing where it is not executed here."""
        if (held := self._running.get(run_id)) is not None:
            held.stop(Interruption.CANCEL)

    def drop(self) -> None:
        """Drop all runs: this worker was taken for dead, and they are others' by now."""
        for held in list(self._running.values()):
            held.stop(Interruption.LOST)

    def held(self) -> list[HeldRun]:
        """The runs that are being executed."""
        return list(self._running.values())

    def executing(self) -> set[str]:
        """The ids of the runs that are being executed, or claimed just now."""
        return {*self._running, *self._claiming}

    async def close(self, tool_seconds: float = 0) -> None:
        """Give all runs back as they stand, and begin none any more.

        Streams are cut at once, since their turn can be repeated; a tool call can not, so those
        that are under way have `tool_seconds` to end.
        """
        self._closing = True
        until = time.monotonic() + tool_seconds
        while self._running or self._claiming:  # what is claimed just now is to be given back, too
            for held in list(self._running.values()):
                if not held.is_calling_tools or time.monotonic() >= until:
                    held.stop(Interruption.YIELD)
            await asyncio.sleep(0.01)

    @property
    def running(self) -> int:
        """Runs in progress."""
        return len(self._running)


def _told(held: HeldRun, status: Status, error: LastError | None) -> TaskOutcome:
    """Log how a held run has ended; returns what its task is to show."""
    error = error if status in (Status.FAILED, Status.EXPIRED) else None
    RunEnd(held.record, status, held.seconds, held.tokens, error).log()
    return TaskOutcome.of_end(status, error)


async def _cancelled(work: asyncio.Future[Ending | Park | HandOver]) -> None:
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()


def _expired(model: ModelTurns) -> Ending:
    error = LastError.of(
        "deadline", "The run did not end in time (THREADMILL_RUN_SECONDS where it was enqueued)."
    )
    return Ending(Status.EXPIRED, model.partial_message("run_expired", "expired"), error=error)


def _failed(error: Exception) -> Ending:
    code: ErrorCode = "server_error"
    if isinstance(error, errors.ModelUnavailable) and error.rate_limited:
        code = "rate_limit_exceeded"
    elif isinstance(error, (errors.ModelRefused, errors.ContextTooLong)):
        code = "invalid_prompt"
    text = (
        str(error)
        if isinstance(error, errors.ThreadmillError)
        else "An internal error; see the worker's log."
    )
    return Ending(Status.FAILED, Batch(), error=LastError.of(type(error).__name__, text, code))
