"""The assistant loop: ask the model, do what it asks for, until a turn ends the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from threadmill_shared.model import FinishReason
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import Status
from threadmill_shared.tools import EndRun
from threadmill_workers.execution.batch import Batch
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.result_check import ResultCheck
from threadmill_workers.execution.tool_calls import ToolCalls
from threadmill_workers.execution.turn import HandOver, Park, Reply


@dataclass(frozen=True)
class Finish:
    """The turn ended the run."""

    status: Status
    reason: str | None = None


@dataclass(frozen=True)
class CallTools:
    """The model waits for the outputs of the turn's calls."""


@dataclass(frozen=True)
class Ending:
    """How a run ends, and its last batch."""

    status: Status
    batch: Batch
    reason: str | None = None
    error: LastError | None = None
    data: Any = None


async def run_turns(
    model: ModelTurns, tools: ToolCalls, results: ResultCheck, max_turns: int
) -> Ending | Park | HandOver:
    """Run an assistant to its end, or to where it is not this worker's to go on.

    Raises:
        ModelError: the provider gave no answer, or no right one, in as many tries as it was worth.
        LostRun: the run is no longer ours.
    """
    left_open = await model.left_open()
    outcome = None if left_open is None else await tools.call_all(left_open)
    while outcome is None and model.turn < max_turns:
        reply = await model.ask()
        match decide(reply):
            case Finish(Status.COMPLETED) if objection := results.objection(reply):
                await results.reject(reply, objection)
            case Finish(status, reason):
                return Ending(status, reply.batch, reason)
            case CallTools():
                outcome = await tools.call_all(reply)
    match outcome:
        case EndRun():
            return Ending(Status.CANCELLED, Batch(), data=outcome.data)
        case Park() | HandOver():
            return outcome
    return Ending(Status.INCOMPLETE, Batch(), "max_turns")


def decide(reply: Reply) -> Finish | CallTools:
    """What follows from a model's reply."""
    if reply.stop is FinishReason.LENGTH:
        return Finish(Status.INCOMPLETE, "max_completion_tokens")
    if reply.stop is FinishReason.CONTENT_FILTER:
        return Finish(Status.INCOMPLETE, "content_filter")
    if reply.calls:
        return CallTools()
    return Finish(Status.COMPLETED)
