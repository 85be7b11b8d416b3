"""Reads a stream of Chat Completions; the many compatible servers differ a little in theirs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from threadmill_shared.errors import ModelGarbled
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    ModelEvent,
    OpaqueFieldsReceived,
    TextDelta,
    TurnEnded,
)
from threadmill_shared.records import lenient
from threadmill_workers.models.chat_calls import StreamedCalls
from threadmill_workers.models.errors import StreamFailed
from threadmill_workers.models.event_parser import StreamEnd
from threadmill_workers.models.opaque_fields import OpaqueFields
from threadmill_workers.models.parsing import (
    parse_citation,
    parse_count,
    parse_finish_reason,
    parse_text,
    parse_usage,
)

Json = dict[str, Any]

_BESIDE_TEXT = ("tool_calls", "function_call", "annotations")
"""What a message has that counts, besides its text and what only its model understands."""
_CHOICE = frozenset(("delta", "message", "finish_reason"))
_DOCUMENT = "chat.completion"
"""What an answer is that comes whole; its parts are of another kind."""


class ChatParser:
    """Reads the chunks of one stream of Chat Completions."""

    def __init__(self, tools: Collection[str] = ()) -> None:
        """Nothing has come.

        Args:
            tools: the names that the model may call.
        """
        self.turn: TurnEnded | None = None
        self._texts: list[str] = []
        self._whole_messages = 0
        """How many of the texts came as messages, not as deltas."""
        self._calls = StreamedCalls(tools)
        self._opaque = OpaqueFields()
        self._stop: FinishReason | None = None
        self._at_stop = (0, 0)
        """How many texts and pieces of calls had come when that was told last."""
        self._usage: Json = {}
        self._cited: list[Json] = []
        self._is_other = False
        """Whether something else than chunks has come."""

    def parse(self, event: Json) -> Sequence[ModelEvent]:
        """Return what this chunk means."""
        if error := event.get("error"):
            raise StreamFailed(error)
        if usage := event.get("usage"):
            self._note_usage(usage)
        choice = _first_choice(event.get("choices"))
        if choice is None:
            return self._without_choice(event)
        events = self._delta(delta) if (delta := choice.get("delta")) else []
        reason = choice.get("finish_reason")
        if message := choice.get("message"):
            events += self._message(message)
            reason = reason or ("stop" if event.get("object") == _DOCUMENT else None)
        if reason:
            self._finish(reason, choice, event)
        return events

    def has_finished(self) -> bool:
        """Whether a reason is told, and nothing has come since."""
        return self._stop is not None and self._at_stop == self._received()

    def close(self, end: StreamEnd) -> Sequence[ModelEvent]:
        """Return the calls: each may come with a reason of its own, so only the end ends them."""
        if not self._may_end(end):
            raise ModelGarbled(self._what_is_missing())
        stop = self._stop or FinishReason.END
        self.turn = TurnEnded(stop, parse_usage(self._usage))
        events: list[ModelEvent] = [MessageEnded(tuple(self._cited))] if self._texts else []
        if stop is not FinishReason.END:
            return events  # A reply that was cut has cut its last call, too.
        fields = OpaqueFieldsReceived(self._opaque.ended(), self._calls.opaque_fields())
        if fields.message or any(fields.calls):
            events.append(fields)
        return [*events, *self._calls.ended()]

    def _may_end(self, end: StreamEnd) -> bool:
        match end:
            case StreamEnd.DONE:
                return self._stop is not None or bool(self._texts or self._calls)
            case StreamEnd.CLOSED:
                return self._stop is not None
            case StreamEnd.BROKEN:
                return self.has_finished()

    def _what_is_missing(self) -> str:
        if self._is_other and not any(self._received()):
            return (
                "The model provider sent no chunks of Chat Completions; check that"
                " THREADMILL_MODEL_API is the API that OPENAI_BASE_URL speaks."
            )
        return "The model provider's stream ended without a finish_reason; a retry may succeed."

    def _received(self) -> tuple[int, int]:
        return len(self._texts), self._calls.pieces

    # ---- what a chunk has ------------------------------------------------------------------------

    def _without_choice(self, event: Json) -> Sequence[ModelEvent]:
        if event.get("object") == "error" or event.get("type") == "error":
            raise StreamFailed(event)
        if isinstance(event.get("detail"), str | list):  # FastAPI
            raise StreamFailed({"detail": event["detail"]})
        status = lenient.json_object(event.get("base_resp"))  # MiniMax
        if status.get("status_code"):
            text = lenient.text(status.get("status_msg"))
            raise StreamFailed({"message": text, "code": str(status["status_code"])})
        self._is_other = self._is_other or not event.keys() & {"choices", "usage"}
        self._note_usage(lenient.json_object(event.get("x_groq")).get("usage"))
        return ()

    def _delta(self, delta: Json) -> list[ModelEvent]:
        if pieces := delta.get("tool_calls"):
            self._add_calls(pieces)
        if legacy := delta.get("function_call"):
            self._calls.add({"function": legacy})
        if cited := delta.get("annotations"):
            self._cited += filter(None, map(parse_citation, lenient.objects(cited)))
        text = delta.get("content") or delta.get("refusal")
        if not text or len(delta) > 1:
            self._opaque.add_from_message(delta)
        if text and type(text) is not str:
            text = parse_text(text)
        if not text:
            return []
        self._texts.append(text)
        return [TextDelta(text)]

    def _message(self, message: Json) -> list[ModelEvent]:
        """Take a message in place of a delta: the whole one at the end, or one piece of it."""
        text = parse_text(message.get("content") or message.get("refusal"))
        received = "".join(self._texts)
        if text.startswith(received):
            text = text[len(received) :]
        elif self._whole_messages < len(self._texts):
            text = ""
        self._opaque.add_from_whole(message)
        calls = {} if self._calls else {n: message.get(n) for n in _BESIDE_TEXT}
        events = self._delta({**calls, "content": text})
        self._whole_messages += len(events)
        return events

    def _add_calls(self, pieces: Any) -> None:
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            if piece is not None:
                self._calls.add(piece)

    def _finish(self, reason: object, choice: Json, event: Json) -> None:
        if error := choice.get("error"):
            raise StreamFailed(error)
        for holder in (choice, lenient.json_object(event.get("x_groq"))):
            self._note_usage(holder.get("usage"))
        if stop := parse_finish_reason(reason):
            # Some servers say "stop" after any other reason.
            self._stop = stop if self._stop in (None, FinishReason.END) else self._stop
            self._at_stop = self._received()

    def _note_usage(self, usage: object) -> None:
        """Take what is told; each time it is the sum so far."""
        told = lenient.json_object(usage)
        self._usage |= {name: value for name, value in told.items() if value is not None}


def _first_choice(choices: Any) -> Json | None:
    """The first of the choices, which chunks have one by one or together."""
    if isinstance(choices, dict):
        choices = [choices] if choices.keys() & _CHOICE else lenient.objects([*choices.values()])
    if not choices or not isinstance(choices, list):
        return None
    first: Json | None = choices[0]
    if first is not None and not first.get("index"):
        return first
    own = (one for one in choices if one is not None and not parse_count(one.get("index")))
    return next(own, None)
