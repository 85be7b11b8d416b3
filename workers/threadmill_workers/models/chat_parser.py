"""Reads a stream of Chat Completions; the many compatible servers differ a little in theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from threadmill_shared.errors import ModelGarbled
from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    ModelEvent,
    TextDelta,
    TurnEnded,
    Usage,
)
from threadmill_shared.records import lenient
from threadmill_workers.models.errors import StreamFailed
from threadmill_workers.models.parsing import parse_citation, parse_tool_call, parse_usage

_FINISH_REASONS = {"length": FinishReason.LENGTH, "content_filter": FinishReason.CONTENT_FILTER}


@dataclass(slots=True)
class _Call:
    """A tool call that is still being written."""

    id: str = ""
    name: str = ""
    arguments: str = ""

    def add(self, piece: dict[str, Any]) -> None:
        function = piece.get("function") or {}
        self.id = self.id or lenient.text(piece.get("id"))
        self.name = self.name or lenient.text(function.get("name"))
        self.arguments += lenient.text(function.get("arguments"))


class ChatParser:
    """Reads the chunks of one stream of Chat Completions."""

    def __init__(self) -> None:
        self.turn: TurnEnded | None = None
        self._in_message = False
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._stop: FinishReason | None = None
        self._usage = Usage()
        self._cited: list[dict[str, Any]] = []

    def parse(self, event: dict[str, Any]) -> Sequence[ModelEvent]:
        """Return what this chunk means."""
        if event.get("error"):
            raise StreamFailed(event["error"])
        if usage := event.get("usage"):
            self._usage = parse_usage(usage, "prompt_tokens", "completion_tokens")
        choices = event.get("choices") if "usage" in event else event["choices"]
        if not choices:
            return ()
        choice = choices[0]
        events = self._delta(choice.get("delta") or {})
        if (reason := choice.get("finish_reason")) and self._stop is None:
            events += self._finish(_FINISH_REASONS.get(lenient.text(reason), FinishReason.END))
        return events

    def close(self) -> TurnEnded:
        """The end: some servers send neither usage nor `[DONE]`, but all tell why they stop."""
        if self._stop is None:
            raise ModelGarbled(
                "The model provider's stream ended without a finish_reason; a retry may succeed."
            )
        return TurnEnded(self._stop, self._usage)

    def _delta(self, delta: dict[str, Any]) -> list[ModelEvent]:
        for piece in delta.get("tool_calls") or ():
            self._call_of(piece).add(piece)
        if cited := delta.get("annotations"):
            self._cited += filter(None, map(parse_citation, lenient.objects(cited)))
        text = delta.get("content") or delta.get("refusal")
        if not text:
            return []
        if not isinstance(text, str):
            raise TypeError
        self._in_message = True
        return [TextDelta(text)]

    def _call_of(self, piece: dict[str, Any]) -> _Call:
        """Return the call that this piece continues, or a new one."""
        index, id = piece.get("index") or 0, lenient.text(piece.get("id"))
        call = self._at.get(index)
        # Some servers give every call the index 0 and tell them apart by their ids only.
        if call is None or (call.id and id and id != call.id):
            call = self._at[index] = _Call()
            self._calls.append(call)
        return call

    def _finish(self, stop: FinishReason) -> list[ModelEvent]:
        self._stop = stop
        events: list[ModelEvent] = [MessageEnded(tuple(self._cited))] if self._in_message else []
        if stop is FinishReason.END:
            # A reply that was cut has cut its last call, too.
            events += [parse_tool_call(call.name, call.arguments, call.id) for call in self._calls]
        return events
