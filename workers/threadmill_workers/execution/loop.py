"""The assistant loop: ask the model, execute the tools that it calls, until a turn ends the run."""

from __future__ import annotations

from threadmill_shared.records.run import Status
from threadmill_workers.execution.model_turn import ModelTurns
from threadmill_workers.execution.next_step import (
    MAX_COMPLETION_TOKENS,
    AskModel,
    CallTools,
    Finish,
    HandOver,
    LoopEnd,
    NextStep,
    Park,
    decide,
)
from threadmill_workers.execution.result_check import ResultCheck
from threadmill_workers.execution.tool_calls import ToolCalls

MAX_PROMPT_TOKENS = "max_prompt_tokens"
"""The Assistants API's reason for a run that is incomplete because of this option."""


async def run_turns(
    turns: ModelTurns, tools: ToolCalls, result: ResultCheck, max_turns: int
) -> LoopEnd:
    """Execute a run until it ends, or until this worker can do no more for it.

    Args:
        turns: asks the model.
        tools: executes the calls of a turn.
        result: checks what the model says last.
        max_turns: how often the model is asked, earlier attempts included.

    Raises:
        ModelError: the provider gave no usable answer, after as many tries as are allowed.
        ToolError: a tool call fails its run.
        ResultInvalid: the model did not correct its result.
        LostRun: the run is no longer ours.
    """
    step: NextStep = await turns.resume()
    while True:
        match step:
            case AskModel() if turns.count >= max_turns:
                return Finish(Status.INCOMPLETE, reason="max_turns")
            case AskModel() if turns.has_sent_too_much:
                return Finish(Status.INCOMPLETE, reason=MAX_PROMPT_TOKENS)
            case AskModel() if turns.may_write_no_more:
                return Finish(Status.INCOMPLETE, reason=MAX_COMPLETION_TOKENS)
            case AskModel():
                reply = await turns.ask()
                step = await result.check(reply, decide(reply))
            case CallTools(reply):
                step = await tools.execute(reply)
            case Finish(Status.COMPLETED, batch) if turns.has_sent_too_much:
                return Finish(Status.INCOMPLETE, batch, reason=MAX_PROMPT_TOKENS)
            case Finish() | Park() | HandOver():
                return step
