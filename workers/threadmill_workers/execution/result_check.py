"""Checks a result: the last message of the model must fit the type that the caller chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from threadmill_shared import errors
from threadmill_shared.records.items import NoteItem
from threadmill_shared.records.log import OwnEvent
from threadmill_shared.records.run import Status
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.history import History
from threadmill_workers.execution.next_step import AskModel, CallTools, Finish
from threadmill_workers.execution.turn import Reply

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

MAX_CORRECTIONS = 2
"""How often the model is told in one run what is wrong with its result."""
_LISTED = 5
"""Faults of one result that the model is told at most."""
_LONGEST = 500
"""Characters of one of them."""


class ResultCheck:
    """Checks the result of one run."""

    def __init__(self, held: HeldRun, history: History) -> None:
        """The result that the request of `held` asks for; it may ask for none."""
        self._held = held
        self._history = history
        self._validator: Validator | None = None

    async def check(self, reply: Reply, step: CallTools | Finish) -> AskModel | CallTools | Finish:
        """Check the result, if the run is complete, and have the model correct a wrong one.

        Args:
            reply: the turn.
            step: what follows from it, if nothing is wrong.

        Raises:
            ResultInvalid: the model was told often enough.
            LostRun: the run is no longer ours.
        """
        if not isinstance(step, Finish) or step.status is not Status.COMPLETED:
            return step
        violations = self._violations(reply.text)
        if violations is None:
            return step
        await self._reject(reply, violations)
        return AskModel()

    def _violations(self, text: str) -> str | None:
        """Say what is wrong with the result in the run's last message; None: nothing."""
        if self._held.record.request.result is None:
            return None
        try:
            data = from_json(text)
        except ValueError as error:
            return f"It is not JSON: {error}."
        validator = self._schema()
        try:
            return _schema_violations(validator, data)
        except Exception as error:  # noqa: BLE001  it may be nested too deeply, a number too large
            name = type(error).__name__
            return f"It cannot be checked ({name}); write less nested values and smaller numbers."

    async def _reject(self, reply: Reply, violations: str) -> None:
        """Store a turn that ended with a wrong result, and what the model is told about it."""
        is_last = await self._count_corrections() >= MAX_CORRECTIONS
        reply.batch.record(OwnEvent("threadmill.result.invalid", {"error": violations}))
        if not is_last:
            reply.batch.item(note := _note(violations, self._held.record.id))
            self._history.append(note)
        await self._held.write(reply.batch)
        if is_last:
            raise errors.ResultInvalid(
                f"The model was told {MAX_CORRECTIONS} times, and its result is still wrong. "
                f"{violations}"
            )

    async def _count_corrections(self) -> int:
        # From the thread, since another worker may have told it.
        items, run_id = await self._history.items(), self._held.record.id
        return sum(item["type"] == "note" and item["run_id"] == run_id for item in items)

    def _schema(self) -> Validator:
        if self._validator is None:
            # Takes a tenth of a second, and few runs need it.
            from threadmill_workers.execution.result_schema import validator_of  # noqa: PLC0415

            asked: Any = self._held.record.request.options.response_format
            self._validator = validator_of(asked["json_schema"]["schema"])
        return self._validator


def _schema_violations(validator: Validator, data: Any) -> str | None:
    found = sorted(validator.iter_errors(data), key=lambda error: error.json_path)
    faults = [
        f"{error.json_path[:_LONGEST]}: {error.message[:_LONGEST]}" for error in found[:_LISTED]
    ]
    return "\n".join(faults) or None


def _note(violations: str, run_id: str) -> NoteItem:
    text = (
        "Your last message is not the JSON that was asked for:\n"
        f"{violations}\n"
        "Write it again, corrected and as a whole. Write nothing else."
    )
    return {"type": "note", "text": text, "run_id": run_id}
