"""The message that a model is writing: logged as it arrives, and closed in one of three ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.model import MessageEnded, shifted
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.log import (
    MessageBegun,
    MessageCompleted,
    MessageImages,
    MessageIncomplete,
)
from threadmill_shared.records.messages import assistant_message
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.output_files import Enclosed, OutputFiles


class NextNumbers:
    """The numbers of a run's next message and step."""

    def __init__(self, message: int, step: int) -> None:
        self.message = message
        self.step = step

    def take_message(self) -> int:
        """Return the next message's number, and count on."""
        self.message += 1
        return self.message - 1

    def take_step(self) -> int:
        """Return the next step's number, and count on."""
        self.step += 1
        return self.step - 1


@dataclass
class _Open:
    """The message that is being written."""

    number: int
    step: int
    texts: list[str] = field(default_factory=list)
    ended: bool = False
    annotations: list[dict[str, Any]] = field(default_factory=list)
    """What it cites, in the Responses API's form."""
    before: int = 0
    """Characters before the message that is being written, if it continues an earlier one."""

    @property
    def text(self) -> str:
        return "".join(self.texts)


class MessageWriter:
    """Writes one message after the other; at most one is open."""

    def __init__(self, held: HeldRun, output_files: OutputFiles, numbers: NextNumbers) -> None:
        """None is open.

        Args:
            held: where they are written.
            output_files: keeps the files that go with them.
            numbers: those of the run.
        """
        self._held = held
        self._output_files = output_files
        self._numbers = numbers
        self._open: _Open | None = None

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and is not closed."""
        return self._open is not None

    def write(self, text: str) -> None:
        """Write a piece of the message, which begins with its first piece."""
        message = self._open or self._begin()
        if message.ended:
            message.ended = False
            message.before = len(message.text) + 2
            text = "\n\n" + text  # a second message of one turn continues the first
        message.texts.append(text)
        self._held.delta(message.number, text)

    def note_end(self, event: MessageEnded) -> None:
        """The model has ended the message; another one of the same turn may continue it."""
        if self._open is not None:
            self._open.ended = True
            before = self._open.before
            self._open.annotations += [shifted(one, before) for one in event.annotations]

    async def enclose(self) -> Enclosed:
        """What goes with the message, which is whole now."""
        if self._open is None:
            return Enclosed()
        return await self._output_files.enclose(self._open.text, self._open.annotations)

    def complete(
        self, batch: Batch, enclosed: Enclosed, usage: dict[str, int] | None
    ) -> MessageItem:
        """Have a batch close the message as completed; returns its item."""
        message, self._open = self._open, None
        assert message is not None  # noqa: S101  its caller looked
        fields = enclosed.fields()
        body = {"type": "message_creation", "message": message.number, "usage": usage}
        batch.step(message.step, body, "completed")
        batch.close_message()
        if enclosed.images:
            batch.record(MessageImages(message.number, 1, enclosed.images))
        batch.record(
            MessageCompleted(message.number, message.step, message.text, usage, enclosed=fields)
        )
        record = self._held.record
        return assistant_message(record, message.number, message.text, enclosed=fields)

    def abandon(self) -> None:
        """Close the message, if one is open; its text stays in the log and is no item."""
        if self._open is not None:
            self._held.put(self._incomplete(self._open, "run_failed", "cancelled"))

    def partial(self, reason: str, step_status: str) -> Batch:
        """What closes the message at the run's end, if one is open; its text is an item."""
        message, batch = self._open, Batch()
        if message is not None:
            record, text = self._held.record, message.text
            batch.item(assistant_message(record, message.number, text, reason=reason))
            batch.extend(self._incomplete(message, reason, step_status))
        return batch

    def _begin(self) -> _Open:
        numbers = self._numbers
        message = self._open = _Open(numbers.take_message(), numbers.take_step())
        batch = Batch()
        batch.step(message.step, {"type": "message_creation", "message": message.number})
        batch.open_message(
            message.number,
            message.step,
            next_message=numbers.message,
            next_step=numbers.step,
        )
        batch.record(MessageBegun(message.number, message.step))
        self._held.put(batch)
        return message

    def _incomplete(self, message: _Open, reason: str, step_status: str) -> Batch:
        self._open, batch = None, Batch()
        batch.step(message.step, None, step_status)
        batch.close_message()
        batch.record(
            MessageIncomplete(message.number, message.step, message.text, reason, step_status)
        )
        return batch
