"""Why a run that a worker holds does not move: the worker, the model, or a tool."""

from __future__ import annotations

from collections.abc import Callable

from threadmill.inspection.standstill import Standstill
from threadmill.inspection.surroundings import Surroundings
from threadmill_shared.log_text import counted
from threadmill_shared.records.log import OwnEvent
from threadmill_shared.records.objects import Step, ToolCall
from threadmill_shared.records.run import Status
from threadmill_shared.tools import OnInterrupt
from threadmill_shared.tools.identity import module_of

MOVING_SECONDS = 3.0
"""A run whose last event is not older than this is moving."""

_ENDS: dict[OnInterrupt, str] = {
    "report": "continues the run, and tells the model so",
    "retry": "continues the run, and calls it again",
    "fail": "ends the run as failed",
}
"""What becomes of a run whose tool is interrupted, by the tool's `on_interrupt`."""


def find_why_held(around: Surroundings) -> Standstill | None:
    """Say why a run that a worker holds does not move; None if it moves."""
    finders: tuple[Callable[[Surroundings], Standstill | None], ...] = (
        _lost_holder,
        _cancelling,
        _blocked_holder,
        _retrying,
        _executing,
        _waiting_for_worker,
        _asking,
    )
    return next((found for find in finders if (found := find(around)) is not None), None)


def _lost_holder(around: Surroundings) -> Standstill | None:
    holder = around.holder
    if holder is not None and holder.condition != "silent":
        return None
    name = holder.worker if holder else around.record.worker
    state = "is silent: it is frozen, cut off or dead" if holder else "is gone"
    cure = "Other workers reassign it within seconds"
    if not around.living:
        cure = "No other worker is alive to reassign it: start one with threadmill worker MODULE"
    return Standstill(
        kind="worker_silent" if holder else "worker_gone",
        reason=f"The worker that holds it, {name}, {state}.",
        cure=cure,
        seconds=holder.state_age if holder else None,
    )


def _cancelling(around: Surroundings) -> Standstill | None:
    if around.record.status is not Status.CANCELLING:
        return None
    return Standstill(
        kind="cancelling",
        reason="It is being cancelled, and its worker has not ended it yet.",
        cure="Wait; after a second it is ended without its worker",
        seconds=around.seconds_since_event,
    )


def _blocked_holder(around: Surroundings) -> Standstill | None:
    holder = around.holder
    if holder is None or holder.condition != "blocked":
        return None
    return Standstill(
        kind="worker_blocked",
        reason=f"The event loop of its worker {holder.worker} does not answer.",
        cure="The worker ends by itself after 30 s, and its runs are reassigned; its log names the"
        " tool that blocks it, which must be a plain def",
        seconds=holder.state_age,
    )


def _retrying(around: Surroundings) -> Standstill | None:
    entry = around.place.last_entry
    last = entry.records[-1] if entry and entry.records else None
    if not isinstance(last, OwnEvent) or last.name != "threadmill.model.retry":
        return None
    provider = around.holder.provider if around.holder else None
    at = f" at {provider.host}" if provider and provider.host else ""
    cause = f": {provider.cause}" if provider and provider.cause else ""
    return Standstill(
        kind="model_retry",
        reason=f"Its request to the model{at} has failed {counted(int(last.data['tries']), 'time')}"
        f" ({last.data['error']}{cause}), {_ago(around)}and is repeated.",
        cure="Wait for the provider, which threadmill status shows too; it fails after"
        " THREADMILL_MODEL_RETRIES repetitions",
    )


def _ago(around: Surroundings) -> str:
    """When a request has failed last; for how long they fail is not stored."""
    seconds = around.seconds_since_event
    return "" if seconds is None else f"the last time {seconds:.0f} s ago, "


def _executing(around: Surroundings) -> Standstill | None:
    begun = [one for one in around.open_calls() if around.is_executing(one[1])]
    if not begun:
        return None
    step, call = begun[0]
    holder, seconds = around.holder, _since_begun(around, step)
    if seconds <= MOVING_SECONDS:
        return None
    others = f" and {counted(len(begun) - 1, 'more tool')}" if begun[1:] else ""
    threads = holder.tool_threads if holder else None
    if threads is not None and threads.waiting:
        others += f", where {counted(threads.waiting, 'call')} wait for a thread"
    is_stopping = holder is not None and holder.condition == "stopping"
    state = "is stopping, and executes" if is_stopping else "executes"
    return Standstill(
        kind="executing_tool",
        reason=f"Its worker {around.record.worker} {state} the tool {call.name}{others}.",
        cure=_cure_in_drain(around, call) if is_stopping else _cure_of_tool(around, call),
        seconds=seconds,
    )


def _cure_of_tool(around: Surroundings, call: ToolCall) -> str:
    return f"Wait for the tool; it times out after {_limit(around, call)}"


def _cure_in_drain(around: Surroundings, call: ToolCall) -> str:
    """What happens to a call whose worker was told to end."""
    spec = around.spec(call.name)
    end = _ENDS[spec.on_interrupt if spec else "report"]
    return (
        "Wait for the tool; if it has not returned THREADMILL_DRAIN_SECONDS (25) after the worker"
        f" was told to end, it is interrupted, and another worker {end}"
        + _without_successor(around)
    )


def _without_successor(around: Surroundings) -> str:
    return "" if around.consumers else "; no other worker takes its queue: start one"


def _waiting_for_worker(around: Surroundings) -> Standstill | None:
    is_executing = any(around.is_executing(call) for _, call in around.open_calls())
    if is_executing or not around.absent:
        return None
    spec = around.absent[0]
    return Standstill(
        kind="waits_for_worker",
        reason=f"It waits for a worker that has the function of its tool {spec.name}:"
        f" {around.absence(spec)}.",
        cure=f"Start one with its module: threadmill worker {module_of(spec.identity)}; else the"
        " run fails after THREADMILL_WORKER_WAIT_SECONDS (60)",
        seconds=around.seconds_since_event,
    )


def _since_begun(around: Surroundings, step: Step) -> float:
    """Seconds since its calls could begin: since the model had asked for them, or the claim."""
    claimed_at = (around.place.held_since or 0) / 1000
    return around.seconds_since(max(float(step.created_at), claimed_at))


def _limit(around: Surroundings, call: ToolCall) -> str:
    spec = around.spec(call.name)
    return f"{spec.timeout:g} s" if spec and spec.timeout else "THREADMILL_TOOL_SECONDS (300)"


def _asking(around: Surroundings) -> Standstill | None:
    seconds = around.seconds_since_event
    if seconds is None or seconds <= MOVING_SECONDS:
        return None
    holder = around.holder
    provider = holder.provider if holder else None
    at = f" at {provider.host}" if provider and provider.host else ""
    stops, cure = "", "Wait; a provider that is silent for two minutes is asked again"
    if holder is not None and holder.condition == "stopping":
        stops = f", and its worker {holder.worker} is stopping"
        cure = (
            "Wait; if there is no answer THREADMILL_DRAIN_SECONDS (25) after the worker was told to"
            f" end, another worker asks again{_without_successor(around)}"
        )
    return Standstill(
        kind="asking_model",
        reason=f"It waits for the answer of the model{at}{stops}.",
        cure=cure,
        seconds=seconds,
    )
