"""Reads a stream of the Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from threadmill_shared.errors import ModelGarbled
from threadmill_shared.model import (
    CodeDelta,
    FinishReason,
    HostedCallStarted,
    MessageEnded,
    ModelEvent,
    ReasoningReceived,
    TurnEnded,
)
from threadmill_shared.records import lenient
from threadmill_workers.models.citations import Citations, part_text
from threadmill_workers.models.errors import StreamFailed
from threadmill_workers.models.hosted import KINDS, parse_hosted_call
from threadmill_workers.models.parsing import parse_tool_call, parse_usage

_FINISH_REASONS = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
_REASONING_FIELDS = ("type", "id", "summary", "content", "encrypted_content")
"""What a provider takes back; it refuses an item that carries its status, say."""


class ResponsesParser:
    """Reads the events of one stream of the Responses API."""

    def __init__(self) -> None:
        self.turn: TurnEnded | None = None
        self._in_message = False
        self._citations = Citations()
        self._in_call = False
        self._has_code = False
        """Whether the call's code has come in pieces."""

    def parse(self, event: dict[str, Any]) -> Sequence[ModelEvent]:
        """Return what this event means; most kinds mean nothing here."""
        match event["type"]:
            case (
                "response.output_text.delta"
                | "response.refusal.delta"
                | "response.output_text.annotation.added"
            ):
                return self._continue_part(event)
            case "response.output_item.done":
                return self._item(event["item"])
            case "response.code_interpreter_call_code.delta":
                return self._code(event["delta"])
            case "response.output_item.added":
                return self._begin_call(event["item"])
            case "response.completed" | "response.incomplete":
                return self._end(lenient.json_object(event.get("response")))
            case "response.failed":
                raise StreamFailed(lenient.json_object(event.get("response")).get("error"))
            case "error":
                raise StreamFailed(event.get("error") or event)
            case _:
                return ()

    def close(self) -> TurnEnded:
        """Refuse: a whole stream always tells its end."""
        raise ModelGarbled(
            "The model provider's stream ended before the response did; a retry may succeed."
        )

    def _continue_part(self, event: dict[str, Any]) -> Sequence[ModelEvent]:
        part = event.get("content_index")
        if "annotation" in event:
            return tuple(self._citations.cite(event["annotation"], part))
        return self._text(event["delta"], part)

    def _text(self, delta: object, part: object) -> Sequence[ModelEvent]:
        if not isinstance(delta, str):
            raise TypeError
        if not delta:
            return ()
        self._in_message = True
        return tuple(self._citations.text(delta, part))

    def _code(self, delta: object) -> Sequence[ModelEvent]:
        if not isinstance(delta, str):
            raise TypeError
        self._has_code = True
        return (CodeDelta(delta),)

    def _item(self, item: dict[str, Any]) -> Sequence[ModelEvent]:
        match item["type"]:
            case "message":
                return self._message(item)
            case "function_call" if item.get("status") != "incomplete":
                parts = (item.get("name"), item.get("arguments"), item.get("call_id"))
                return (parse_tool_call(*parts),)
            case "reasoning":
                return _reasoning(item)
            case "code_interpreter_call" | "file_search_call":
                return self._end_call(item)
            case _:
                return ()

    def _message(self, item: dict[str, Any]) -> Sequence[ModelEvent]:
        parts = item.get("content") or ()
        # Some servers send a short message whole.
        whole = () if self._in_message else tuple(self._whole(parts))
        return (*whole, *self._end_message(parts))

    def _whole(self, parts: Sequence[dict[str, Any]]) -> Iterator[ModelEvent]:
        for number, part in enumerate(parts):
            for cited in lenient.objects(part.get("annotations")):
                yield from self._citations.cite(cited, number)
            yield from self._text(part_text(part), number)

    def _end_message(self, parts: object = ()) -> Sequence[ModelEvent]:
        citations, self._citations = self._citations, Citations()
        if not self._in_message:
            return ()
        self._in_message = False
        return (MessageEnded(citations.end(parts)),)

    def _begin_call(self, item: dict[str, Any]) -> Sequence[ModelEvent]:
        if item["type"] not in KINDS:
            return ()
        self._in_call, self._has_code = True, False
        return (HostedCallStarted(KINDS[item["type"]]),)

    def _end_call(self, item: dict[str, Any]) -> Sequence[ModelEvent]:
        begun = () if self._in_call else self._begin_call(item)
        code = lenient.text(item.get("code"))
        whole = () if self._has_code or not code else (CodeDelta(code),)
        self._in_call = False
        return (*begun, *whole, parse_hosted_call(item))

    def _end(self, response: dict[str, Any]) -> Sequence[ModelEvent]:
        reason = lenient.text(lenient.json_object(response.get("incomplete_details")).get("reason"))
        usage = parse_usage(response.get("usage"), "input_tokens", "output_tokens")
        self.turn = TurnEnded(_FINISH_REASONS.get(reason, FinishReason.END), usage)
        return self._end_message()


def _reasoning(item: dict[str, Any]) -> Sequence[ModelEvent]:
    """The item, if it carries its content: by its id alone a provider that stores nothing fails."""
    if not item.get("encrypted_content") and not item.get("content"):
        return ()
    kept = {name: item[name] for name in _REASONING_FIELDS if item.get(name) is not None}
    return (ReasoningReceived(lenient.storable(kept)),)
