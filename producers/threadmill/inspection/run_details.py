"""One run without its contents: attempts, waits, calls, times, and why it does not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from threadmill.inspection.absent_functions import find_absent
from threadmill.inspection.held_runs import find_why_held
from threadmill.inspection.parked_runs import find_why_parked
from threadmill.inspection.queued_runs import find_why_in_line, find_why_unclaimed
from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill.inspection.workers import WorkerView, read_workers
from threadmill.inspection.write_refusal import WriteRefusal
from threadmill_shared import errors, ids
from threadmill_shared.records.objects import RunUsage, Step, ToolCall
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.store import Store
from threadmill_shared.tools import ToolSpec


@dataclass(frozen=True)
class CallView:
    """A tool call of a run; neither its arguments nor its output."""

    id: str
    tool: str
    state: str
    """`done`, `failed`, `not begun`, `executing`, `approved`, `waits for approval`, `waits for
    output`, `executing outside`, `executor lost`, `executing at the provider`; `interrupted` if the
    attempt that had begun it is over, and another one decides what becomes of it. If the run ended
    before the call had an output: `not executed`, or `no output` if it may have been begun."""
    created_at: float
    """When the model asked for it."""
    failure: str | None = None
    """In which way it failed: `KeyError at shop.py:6`; None: it did not, or that is not known."""
    keeper: str | None = None
    """The worker of which a thread still executes it, although nobody waits for it any more."""


@dataclass(frozen=True)
class ErrorView:
    """Why a run failed or expired."""

    code: str
    name: str
    message: str


@dataclass(frozen=True)
class RunDetails:
    """One run."""

    id: str
    thread_id: str
    status: str
    assistant: str
    assistant_version: int | None
    model: str
    queue: str
    """The queue that its next message is sent to."""
    parent: str | None
    attempts: int
    worker: str | None
    """`host:pid` of the worker that holds it, or has held it last."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    deadline: float | None
    """When it expires; None: it has no limit yet, or has ended."""
    duration_seconds: float | None
    """Since its first claim, until now or its end; None: it was never claimed."""
    turns: int
    prompt_tokens: int
    completion_tokens: int
    ahead: tuple[str, ...]
    """The runs that come before it in its thread's line, the next one first."""
    calls: tuple[CallView, ...]
    incomplete_reason: str | None
    error: ErrorView | None
    standstill: Standstill | None
    """Why it does not move; None: it moves, or has ended."""


async def read_run_details(store: Store, run_id: str) -> RunDetails:
    """Read one run, and find out why it does not move.

    Raises:
        RunNotFound: there is no such run.
        StoreUnavailable: Redis does not answer.
    """
    around = await _surroundings(store, ids.checked_run_id(run_id), ())
    if around is None:
        raise errors.RunNotFound(f"There is no run {run_id}, or its record has expired.")
    return _details(around, await _find_standstill(store, around))


async def _surroundings(
    store: Store, run_id: str, workers: Sequence[WorkerView]
) -> Surroundings | None:
    place = await store.inspector.place(run_id)
    if place is None:
        return None
    steps = await store.runs.steps(run_id)
    if any(step.tool_calls for step in steps) or not place.record.status.is_terminal:
        workers = workers or await read_workers(store)
    failures = await store.inspector.call_failures(run_id)
    around = Surroundings(store.namespace, place, tuple(steps), tuple(workers), failures)
    return replace(around, absent=tuple(await _find_absent(store, around)))


async def _find_absent(store: Store, around: Surroundings) -> list[ToolSpec]:
    if around.record.status is not Status.IN_PROGRESS:
        return []
    names = [call.name for _, call in around.open_calls() if around.can_begin(call)]
    return await find_absent(store, around.record, names)


async def _find_standstill(store: Store, around: Surroundings) -> Standstill | None:
    if around.record.status.is_terminal:
        return None
    if (refusal := await store.inspector.refusal()) is not None:
        return WriteRefusal.of(refusal).standstill()
    if not around.ahead or around.record.status is not Status.QUEUED:
        return _standstill(around)
    head = await _surroundings(store, around.ahead[0], around.workers)
    return find_why_in_line(around, _standstill(head) if head else None)


def _standstill(around: Surroundings) -> Standstill | None:
    match around.record.status:
        case Status.QUEUED:
            return find_why_unclaimed(around)
        case Status.IN_PROGRESS | Status.CANCELLING:
            return find_why_held(around)
        case Status.REQUIRES_ACTION:
            return find_why_parked(around)
    return None


def _details(around: Surroundings, standstill: Standstill | None) -> RunDetails:
    record = around.record
    usage = RunUsage.model_validate(record.usage or {})
    return RunDetails(
        id=record.id,
        thread_id=record.thread_id,
        status=record.status.value,
        assistant=record.request.assistant_name,
        assistant_version=record.request.assistant_version,
        model=record.request.model,
        queue=around.queue,
        parent=record.parent,
        attempts=record.attempts,
        worker=record.worker,
        created_at=record.created_at / 1000,
        started_at=_seconds(record.started_at),
        ended_at=_seconds(record.ended_at),
        deadline=None if record.status.is_terminal else _seconds(record.deadline),
        duration_seconds=_duration(record, around.place.now),
        turns=record.turn,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        ahead=around.ahead,
        calls=tuple(_calls(around)),
        incomplete_reason=record.reason,
        error=_error(record),
        standstill=standstill,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _duration(record: RunRecord, now: int) -> float | None:
    if record.started_at is None:
        return None
    return ((record.ended_at or now) - record.started_at) / 1000


def _error(record: RunRecord) -> ErrorView | None:
    error = record.last_error
    return ErrorView(error.code, error.name, error.message) if error else None


def _calls(around: Surroundings) -> list[CallView]:
    """Each call once: one that another attempt continues is in a step of that attempt, too."""
    found: dict[str, CallView] = {}
    for step in around.steps:
        for call in step.tool_calls:
            former = found.get(call.id)
            found[call.id] = CallView(
                id=call.id,
                tool=call.name,
                state=_state(around, step, call),
                created_at=former.created_at if former else step.created_at,
                failure=around.failures.get(call.id),
                keeper=around.keeper(call.id),
            )
    return list(found.values())


def _state(around: Surroundings, step: Step, call: ToolCall) -> str:
    has_ended = step.status != "in_progress"
    if call.output is not None or (has_ended and call.type != "function"):
        return "failed" if call.failed else "done"
    if has_ended:
        return _left_state(around, call)
    if call.type != "function":
        return "executing at the provider"
    return _open_state(around, call)


def _left_state(around: Surroundings, call: ToolCall) -> str:
    """How far a call is that an attempt has left without an output."""
    marks = around.marks
    if call.type == "function" and not around.record.status.is_terminal:
        return "interrupted" if marks.is_begun(call.id) else "not begun"
    return "not executed" if marks.was_never_begun(call.id) else "no output"


def _open_state(around: Surroundings, call: ToolCall) -> str:
    """How far a function's call is that has no output yet."""
    marks = around.marks
    if marks.lessee(call.id):
        return "executing outside" if around.is_executed_outside(call.id) else "executor lost"
    if awaited := marks.awaited(call.id):
        return f"waits for {awaited}"
    if marks.is_begun(call.id):
        return "executing" if around.is_executing(call) else "interrupted"
    return "approved" if marks.is_approved(call.id) else "not begun"
