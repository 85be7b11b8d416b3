"""The message that a model is writing: logged as it arrives, and closed in one of three ways."""

from __future__ import annotations

from dataclasses import dataclass

from threadmill_shared.model import MessageEnded, TextCited
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.log import (
    ENCLOSED,
    MessageBegun,
    MessageCompleted,
    MessageImages,
    MessageIncomplete,
    OwnEvent,
)
from threadmill_shared.records.messages import assistant_message
from threadmill_shared.store.batch import Batch
from threadmill_workers.execution.annotated_text import AnnotatedText
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
    text: AnnotatedText
    ended: bool = False
    phase: str = ""
    """Of the last of the model's messages that this one is made of."""


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
        format = held.record.request.options.response_format
        self._is_json = isinstance(format, dict) and format.get("type") != "text"

    @property
    def is_open(self) -> bool:
        """Whether a message has begun and is not closed."""
        return self._open is not None

    def write(self, text: str) -> None:
        """Write a piece of the message, which begins with its first piece."""
        message = self._open
        if message is None:
            self._begin(text)
            return
        if message.ended:
            message.ended = False
            self._stream(message, "\n\n")  # a second message of one turn continues the first
            message.text.begin_next()
        self._stream(message, text)

    def cite(self, event: TextCited) -> None:
        """Mark what the text cites where it is now."""
        self.write("")  # begins the message, if its first piece is a marker
        if self._open is not None:
            self._put_marker(self._open.text.cite(event.annotation))

    def note_end(self, event: MessageEnded) -> None:
        """The model has ended the message; another one of the same turn may continue it."""
        if self._open is None:
            return
        for one in event.annotations:
            self._put_marker(self._open.text.cite(one))
        self._open.ended = True
        self._open.phase = event.phase

    async def enclose(self) -> Enclosed:
        """What goes with the message, which is whole now."""
        if self._open is None:
            return Enclosed()
        text, files = self._open.text, self._output_files
        spans, text.spans = text.spans, []
        for cited in spans:
            form = await files.annotation(cited)
            if form is not None:
                # An image is a part of the message, and needs no place in its text.
                marker = text.settle(cited, form, may_mark=not files.shows(form))
                self._put_marker(marker)
        self._put_marker(text.renew_markers())
        return files.enclose(text.in_order())

    def _put_marker(self, marker: str) -> None:
        if marker and self._open is not None:
            self._held.delta(self._open.number, marker)

    def _stream(self, message: _Open, text: str) -> None:
        if text:
            message.text.add(text)
            self._held.delta(message.number, text)

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
        text = message.text.value
        batch.record(MessageCompleted(message.number, message.step, text, usage, enclosed=fields))
        item = assistant_message(self._held.record, message.number, text, enclosed=fields)
        if message.phase:
            item["phase"], item["model"] = message.phase, self._held.record.request.model
        return item

    def abandon(self) -> None:
        """Close the message, if one is open; its text stays in the log and is no item."""
        if self._open is not None:
            self._held.put(self._incomplete(self._open, "run_failed", "cancelled"))

    def partial(self, reason: str, step_status: str, enclosed: Enclosed | None = None) -> Batch:
        """What closes the message at the run's end, if one is open; its text is an item.

        Args:
            reason: why it is incomplete.
            step_status: of its step.
            enclosed: what goes with it; None: what it has cited so far.
        """
        message, batch = self._open, Batch()
        if message is not None:
            fields = (enclosed or Enclosed(message.text.in_order())).fields()
            record, text = self._held.record, message.text.value
            batch.item(
                assistant_message(record, message.number, text, reason=reason, enclosed=fields)
            )
            if fields:
                # An own event, which every release can read: the record for an incomplete message
                # has no room for it.
                batch.record(OwnEvent(ENCLOSED, {"message": message.number, **fields}))
            batch.extend(self._incomplete(message, reason, step_status))
        return batch

    def _begin(self, first: str) -> None:
        """Begin a message, and its text, which may be empty: clients know a text by its delta."""
        numbers = self._numbers
        number = numbers.take_message()
        text = AnnotatedText(number, may_mark=not self._is_json)
        message = self._open = _Open(number, numbers.take_step(), text)
        text.add(first)
        batch = Batch()
        batch.step(message.step, {"type": "message_creation", "message": message.number})
        batch.open_message(
            message.number,
            message.step,
            next_message=numbers.message,
            next_step=numbers.step,
        )
        batch.record(MessageBegun(message.number, message.step))
        batch.delta(message.number, first)
        self._held.put(batch)

    def _incomplete(self, message: _Open, reason: str, step_status: str) -> Batch:
        self._open, batch = None, Batch()
        batch.step(message.step, None, step_status)
        batch.close_message()
        batch.record(
            MessageIncomplete(message.number, message.step, message.text.value, reason, step_status)
        )
        return batch
