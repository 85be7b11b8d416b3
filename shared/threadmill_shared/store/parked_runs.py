"""Answering a parked run from outside: who executes its calls, approves them, gives their outputs.

A run parks (`requires_action`) when a model calls a function that no worker has, or one that
somebody has to approve. Any process may answer; what counts once is kept so by scripts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared import errors
from threadmill_shared.records import lenient
from threadmill_shared.records.changes import Dispatch, ParkedCall, Submitted, WaitsFor
from threadmill_shared.records.items import OPEN_CALL_OUTPUT
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.log import OwnEvent, Record, ToolCallAnswered, ToolStepEnded, encode
from threadmill_shared.records.run import Status
from threadmill_shared.store.replies import run_not_found
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.scripts.parked_runs import ParkedRunScripts
from threadmill_shared.store.session import Session

LEASE_SECONDS = 10.0
"""So long a call that was leased is kept from others, after the last sign of its lessee."""

INTERRUPTED_OUTPUT = (
    "The process that made this call was lost. Whether the call had an effect is not known; "
    "look before you repeat it."
)
LOST_PROCESS = "interrupted: its process was lost"
"""In which way such a call failed, see `CallOutcome.failure`."""
APPROVED_OUTPUT = "The run ended before this call was begun. It was approved, but not executed."
REJECTED_OUTPUT = "Error: this call was rejected and not executed."


@dataclass(frozen=True)
class CallOutcome:
    """What a call gave that was executed outside, or what is said instead."""

    output: str
    error: str = ""
    """Name of the error's class, if the output is an error."""
    failure: str = ""
    """In which way the call failed, for operators; empty: only the class is known."""
    end: tuple[Status, str, Any] | None = None
    """The run is to end with this status, and with this field of its record set to that value."""

    @classmethod
    def cancelled(cls, output: str, *, data: Any) -> CallOutcome:
        """One with which the run ends as cancelled; `data` is the JSON value of its tool."""
        return cls(output, end=(Status.CANCELLED, "data", data))

    @classmethod
    def failed(cls, output: str, *, error: str, last_error: LastError) -> CallOutcome:
        """An error with which the run fails.

        Args:
            output: what the call gets.
            error: name of the error's class.
            last_error: why the run has failed.
        """
        end = (Status.FAILED, "last_error", last_error)
        return cls(output, error, failure=LOST_PROCESS, end=end)


def rejection(reason: str | None) -> CallOutcome:
    """What the model is told of a call that somebody rejected."""
    output = f"{REJECTED_OUTPUT} Reason: {reason}" if reason else REJECTED_OUTPUT
    return CallOutcome(output, errors.ToolRejected.__name__, failure="not executed: rejected")


def unanswered(calls: Sequence[ParkedCall]) -> LastError:
    """Why a run has expired that waited for these calls, for its `last_error`."""
    outputs = [f"{call.name} ({call.id})" for call in calls if call.waits_for == "output"]
    decisions = [f"{call.name} ({call.id})" for call in calls if call.waits_for == "approval"]
    words = []
    if outputs:
        words.append(
            f"Nobody submitted the output of {', '.join(outputs)} in time "
            "(THREADMILL_PARK_SECONDS). No "
            "live worker has the function: load its module in a worker, or wait for the run "
            "(run.wait()) in the process that has it."
        )
    if decisions:
        words.append(
            f"Nobody approved or rejected {', '.join(decisions)} in time "
            "(THREADMILL_APPROVAL_SECONDS)."
        )
    return LastError.of("deadline", " ".join(words))


@dataclass(frozen=True)
class _Parked:
    """One reading of a parked run."""

    status: Status
    events: int
    step: int
    attempts: int
    body: dict[str, Any]
    marks: Mapping[str, str]

    def calls(self) -> list[ParkedCall]:
        if self.status is not Status.REQUIRES_ACTION:
            return []
        return parked_calls(self.body, self.marks)


class ParkedRuns:
    """The parked runs of one namespace."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = ParkedRunScripts(session.keys)

    async def calls(self, run_id: str) -> list[ParkedCall]:
        """The calls that wait for an answer from outside; none if the run is not parked.

        Raises:
            RunNotFound: there is no such run.
        """
        return (await self._read(run_id)).calls()

    async def lease_call(
        self, run_id: str, call_id: str, lessee: str, *, may_repeat: bool, suspect: str = ""
    ) -> tuple[str, str]:
        """Take a call, to execute it; or say that this process still executes it.

        Args:
            run_id: the parked run.
            call_id: the call, which waits for its output.
            lessee: who takes it: a word that nobody else has.
            may_repeat: whether it may be executed once more, after a lessee that was lost.
            suspect: a lessee that was `silent` when this process looked before.

        Returns:
            A word, and a lessee or an empty string. `ok`: it is the lessee's. `kept`: it still is.
            `gone`: nobody waits for its output (any more). `taken`: another process executes it.
            `silent`: it has given no sign for too long, perhaps because Redis stood still; look
            again in a while, and name it as `suspect`. `lapsed`: it is lost, and the call may not
            be repeated.
        """
        call = self._scripts.lease_call(
            run_id=run_id,
            call_id=call_id,
            lessee=lessee,
            lease_ms=int(LEASE_SECONDS * 1000),
            may_repeat=may_repeat,
            suspect=suspect,
        )
        word, *who = await self._runner.run(call)
        return str(word), str(who[0]) if who else ""

    async def submit(
        self,
        run_id: str,
        call_id: str,
        answer: CallOutcome,
        *,
        waits_for: WaitsFor = "output",
        lessee: str = "",
    ) -> Dispatch | None:
        """Give a call its output; returns the run that is to be sent, if it is to be.

        Args:
            run_id: the parked run.
            call_id: the call.
            answer: what it gave.
            waits_for: what the call is to wait for; else it is not answered.
            lessee: who leased it; empty for an answer by hand.

        Raises:
            RunNotFound: there is no such run.
            NotWaiting: the call does not wait for this; also because the run has ended.
            CallTaken: another process executes it.
            OutputMismatch: it already has a different output.
        """
        while True:
            parked = await self._read(run_id)
            call = self._submission(
                parked, run_id, call_id, answer, waits_for=waits_for, lessee=lessee
            )
            reply = await self._runner.run(call)
            if reply[0] in ("ok", "again"):
                return _dispatch(run_id, *reply[2:], attempts=parked.attempts)
            if reply[0] != "moved":
                raise _refusal(reply[0], run_id, call_id, parked)

    async def submit_all(
        self, run_id: str, outputs: Sequence[tuple[str, str]], *, whole: bool
    ) -> Submitted:
        """Give several calls their outputs, all or none.

        The same outputs again change nothing.

        Args:
            run_id: the parked run.
            outputs: ids of calls, each with its output.
            whole: whether no other call may be left that waits for an output.

        Raises:
            RunNotFound: there is no such run.
            WrongOutputs: an id comes twice, or is not one that waits; or with `whole`, one that
                waits gets no output.
            NotWaiting: the run waits for no output.
            CallTaken: another process executes one.
            OutputMismatch: one already has a different output.
        """
        while True:
            parked = await self._read(run_id)
            given = [id for id, _ in outputs]
            if len({*given}) < len(given):
                raise _wrong_outputs(run_id, parked, given)
            if whole and not given:  # the script compares nothing then
                raise _nothing_given(run_id, parked)
            call = self._submission_of_all(parked, run_id, outputs, whole=whole)
            reply = await self._runner.run(call)
            if reply[0] in ("ok", "again"):
                send = _dispatch(run_id, *reply[2:], attempts=parked.attempts)
                return Submitted(send, is_first=reply[0] == "ok")
            if reply[0] == "idle" and parked.status is Status.REQUIRES_ACTION:
                raise _wrong_outputs(run_id, parked, given)
            if reply[0] != "moved":
                raise _refusal(reply[0], run_id, reply[1] if reply[1:] else given[0], parked)

    async def approve(self, run_id: str, call_id: str) -> Dispatch | None:
        """Allow a call; returns the run that is to be sent, if it is to be.

        Raises:
            RunNotFound: there is no such run.
            NotWaiting: the call waits for no decision.
        """
        parked = await self._read(run_id)
        data = {"call_id": call_id, "name": parked_name(parked.body, call_id)}
        record = encode(OwnEvent("threadmill.tool.approved", data))
        closing = from_json(parked.marks.get(call_id, "{}"))
        call = self._scripts.approve(
            run_id=run_id,
            call_id=call_id,
            closing=to_json(closing | {"output": OPEN_CALL_OUTPUT}).decode(),
            unbegun=to_json(closing | {"output": APPROVED_OUTPUT}).decode(),
            count=1,
            records=record,
        )
        reply = await self._runner.run(call)
        if reply[0] not in ("ok", "again"):
            raise _refusal(reply[0], run_id, call_id, parked)
        return _dispatch(run_id, *reply[1:], attempts=parked.attempts)

    async def _read(self, run_id: str) -> _Parked:
        keys = self._keys
        fields, marks = await self._runner.commands(
            [
                ("HMGET", keys.run(run_id), "status", "events", "open_step", "attempts"),
                ("HGETALL", keys.calls(run_id)),
            ]
        )
        status, events, step, attempts = fields
        if status is None:
            raise run_not_found(run_id)
        body = await self._runner.command("HGET", keys.steps(run_id), step) if step else None
        return _Parked(
            status=Status(status),
            events=int(events),
            step=int(step or 0),
            attempts=int(attempts),
            body=read_body(body),
            marks=marks,
        )

    def _submission(
        self,
        parked: _Parked,
        run_id: str,
        call_id: str,
        answer: CallOutcome,
        *,
        waits_for: WaitsFor,
        lessee: str,
    ) -> ScriptCall:
        """The step with the answer in it, and the events that announce it."""
        body = _body_with(parked, {call_id: answer})
        is_last = _is_answered(body)
        records = _announcements(parked, {call_id: answer}, body, is_last=is_last)
        status, field, value = answer.end or ("", "", None)
        return self._scripts.submit(
            run_id=run_id,
            call_id=call_id,
            waits_for=waits_for,
            lessee=lessee,
            events=parked.events,
            digest=_digest(answer),
            item=_item(parked, call_id, answer),
            step=parked.step,
            step_status="completed" if is_last else "",
            body=to_json(body).decode(),
            count=len(records),
            records=",".join(map(encode, records)),
            end_status=status,
            end_field=field,
            end_value=to_json(value).decode() if answer.end else "",
        )

    def _submission_of_all(
        self, parked: _Parked, run_id: str, outputs: Sequence[tuple[str, str]], *, whole: bool
    ) -> ScriptCall:
        """The same for several; of those that are stored already, only the digests are told."""
        answers = {id: CallOutcome(output) for id, output in outputs}
        new = {id: answer for id, answer in answers.items() if f"={id}" not in parked.marks}
        body = _body_with(parked, new)
        is_last = _is_answered(body)
        records = _announcements(parked, new, body, is_last=is_last)
        return self._scripts.submit_all(
            run_id=run_id,
            whole=whole,
            events=parked.events,
            step=parked.step,
            step_status="completed" if is_last else "",
            body=to_json(body).decode(),
            count=len(records),
            records=",".join(map(encode, records)),
            rest=[
                part
                for id, answer in answers.items()
                for part in (id, _digest(answer), _item(parked, id, answer))
            ],
        )


def read_body(body: str | None) -> dict[str, Any]:
    """The body of a step as it is stored; empty if there is none."""
    found: dict[str, Any] = from_json(body) if body else {}
    return found


def parked_calls(body: Mapping[str, Any], marks: Mapping[str, str]) -> list[ParkedCall]:
    """The calls of this step that wait for an answer from outside, by these marks."""
    return [
        ParkedCall(id, lenient.text(name), lenient.text(arguments), marks[f"?{id}"])  # type: ignore[arg-type]
        for id, name, arguments, _ in body.get("calls", ())
        if f"?{id}" in marks
    ]


def parked_name(body: Mapping[str, Any], call_id: str) -> str:
    """The name of the function that a call of this step is for; empty if it has no such call."""
    return next((name for id, name, *_ in body.get("calls", ()) if id == call_id), "")


def _item(parked: _Parked, call_id: str, answer: CallOutcome) -> str:
    """The answer as an item of the thread, made of the output with which the call was left open."""
    item = from_json(parked.marks.get(call_id, "{}"))
    return to_json(item | {"output": answer.output, "failed": bool(answer.error)}).decode()


def _is_answered(body: Mapping[str, Any]) -> bool:
    """Whether every call of the step has an output."""
    return all(output is not None for *_, output in body["calls"])


def _body_with(parked: _Parked, answers: Mapping[str, CallOutcome]) -> dict[str, Any]:
    """The body of the step, with the answers in it, by call."""
    calls = [
        [id, name, arguments, answers[id].output if id in answers else output]
        for id, name, arguments, output in parked.body.get("calls", ())
    ]
    failed, failures = list(parked.body.get("failed", ())), dict(parked.body.get("failures", {}))
    for call_id, answer in answers.items():
        if answer.error:
            failed.append(call_id)
            failures[call_id] = answer.failure or answer.error
    body = {**parked.body, "calls": calls, "failed": failed}
    return body | {"failures": failures} if failures else body


def _announcements(
    parked: _Parked, answers: Mapping[str, CallOutcome], body: dict[str, Any], *, is_last: bool
) -> list[Record]:
    """The records that tell of answers; the last one ends the step."""
    records: list[Record] = []
    for call_id, answer in answers.items():
        if answer.error:
            name = parked_name(body, call_id)
            failure = {"call_id": call_id, "name": name, "error": answer.error}
            records.append(OwnEvent("threadmill.tool.failed", failure))
        index = next((at for at, call in enumerate(body["calls"]) if call[0] == call_id), 0)
        records.append(ToolCallAnswered(parked.step, index, call_id, answer.output))
    if is_last:
        records.append(ToolStepEnded(parked.step, "completed", body))
    return records


def _dispatch(run_id: str, send: str, queue: str, *, attempts: int) -> Dispatch | None:
    """The run to send: this one, which had begun, or the next one if it has ended."""
    if not send:
        return None
    if send != run_id:
        return Dispatch(send, queue)
    return Dispatch(send, queue, begun=True, attempt=attempts + 1)


def _digest(answer: CallOutcome) -> str:
    end = to_json(answer.end).decode() if answer.end else ""
    return hashlib.sha256(f"{answer.error}\n{end}\n{answer.output}".encode()).hexdigest()[:32]


def _refusal(outcome: str, run_id: str, call_id: str, parked: _Parked) -> errors.ThreadmillError:
    match outcome:
        case "gone":
            return run_not_found(run_id)
        case "taken":
            return errors.CallTaken(
                f"Another process is executing {call_id} of {run_id}, and only its output counts. "
                f"If that process dies, the call can be answered after {LEASE_SECONDS:g} s."
            )
        case "other":
            return errors.OutputMismatch(
                f"{call_id} of {run_id} was already answered with a different output."
            )
    return errors.NotWaiting(
        f"{run_id} is {parked.status} and is not waiting for this answer to {call_id}. It is "
        f"waiting for: {_waiting(parked)}.",
        status=parked.status,
    )


def _wrong_outputs(run_id: str, parked: _Parked, given: list[str]) -> errors.WrongOutputs:
    return errors.WrongOutputs(
        f"{run_id} is {parked.status}, and these are not the outputs that it needs, each once: "
        f"{', '.join(given)}. It is waiting for: {_waiting(parked)}.",
        status=parked.status,
        expected=[call.id for call in parked.calls() if call.waits_for == "output"],
        given=given,
    )


def _nothing_given(run_id: str, parked: _Parked) -> errors.ThreadmillError:
    if parked.status is Status.REQUIRES_ACTION:
        return _wrong_outputs(run_id, parked, [])
    return _refusal("idle", run_id, "any call", parked)


def _waiting(parked: _Parked) -> str:
    calls = [f"{call.id} ({call.name}: {call.waits_for})" for call in parked.calls()]
    return ", ".join(calls) or "nothing"
