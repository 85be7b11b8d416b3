"""Reads a stream of the Responses API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

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
from threadmill_workers.models.citations import Citations
from threadmill_workers.models.errors import StreamFailed
from threadmill_workers.models.event_parser import StreamEnd
from threadmill_workers.models.held_events import TEXT_DELTAS, HeldEvents
from threadmill_workers.models.hosted import KINDS, parse_hosted_call
from threadmill_workers.models.parsing import (
    parse_finish_reason,
    parse_text,
    parse_tool_call,
    parse_usage,
)
from threadmill_workers.models.responses_calls import OpenCalls

Json = dict[str, Any]

_REASONING_FIELDS = ("type", "id", "summary", "content", "encrypted_content", "signature", "format")
"""What a provider takes back; it refuses an item that carries its status, say. The last two are
OpenRouter's."""
_FAILURE = {"code": "server_error"}
"""What is wrong if the provider does not say."""


class ResponsesParser:
    """Reads the events of one stream of the Responses API."""

    def __init__(self) -> None:
        self.turn: TurnEnded | None = None
        self._texts: list[str] = []
        """Of the message that is being written."""
        self._citations = Citations()
        self._items: list[Json] = []
        """Those that have ended."""
        self._calls = OpenCalls()
        self._held = HeldEvents()
        self._has_code = False
        """Whether the call's code has come in pieces."""
        self._is_chat = False
        """Whether chunks of the other API have come."""

    def parse(self, event: Json) -> Sequence[ModelEvent]:
        """Return what this event means; most kinds mean nothing here."""
        kind = event.get("type")
        if self._held.is_calling and self._held.hold(event):
            return ()
        if kind in TEXT_DELTAS:
            return self._text(event["delta"], event.get("content_index"))
        if not isinstance(kind, str):
            return self._untyped(event)
        take = self._EVENTS.get(kind)
        return () if take is None else take(self, event)

    def has_finished(self) -> bool:
        """Never: the event that tells the end is the last one."""
        return False

    def close(self, end: StreamEnd) -> Sequence[ModelEvent]:
        """End what has come, if the provider says that it is all."""
        if end is not StreamEnd.DONE or not self._has_answer():
            raise ModelGarbled(
                "The model provider's stream ended before the response did; a retry may succeed."
                if not self._is_chat
                else "The model provider sent Chat Completions, not a response; check that"
                " THREADMILL_MODEL_API is the API that OPENAI_BASE_URL speaks."
            )
        return self._end({})

    def _has_answer(self) -> bool:
        kinds = {lenient.text(item.get("type")) for item in self._items}
        is_begun = self._texts or self._calls or self._held.have_text
        return bool(is_begun or kinds & {"message", "function_call"})

    # ---- pieces ----------------------------------------------------------------------------------

    def _text(self, delta: object, part: object = None) -> Sequence[ModelEvent]:
        text = delta if type(delta) is str else parse_text(delta)
        if not text:
            return ()
        self._texts.append(text)
        return tuple(self._citations.text(text, part))

    def _cite(self, event: Json) -> Sequence[ModelEvent]:
        return tuple(self._citations.cite(event.get("annotation"), event.get("content_index")))

    def _text_done(self, event: Json) -> Sequence[ModelEvent]:
        return self._whole_text(event.get("text") or event.get("refusal"))

    def _whole_text(self, content: object) -> Sequence[ModelEvent]:
        """Take the text of the message, of which all or nothing may have come in pieces."""
        text, received = parse_text(content), "".join(self._texts)
        return self._text(text[len(received) :]) if text.startswith(received) else ()

    def _code(self, event: Json) -> Sequence[ModelEvent]:
        code = parse_text(event["delta"])
        if not code:
            return ()
        self._has_code = True
        return (CodeDelta(code),)

    # ---- items -----------------------------------------------------------------------------------

    def _item_added(self, event: Json) -> Sequence[ModelEvent]:
        item = lenient.json_object(event.get("item"))
        match lenient.text(item.get("type")):
            case "message":
                return self._end_message()
            case "function_call":
                self._calls.begin(event, item)
            case kind if kind in KINDS:
                return self._begin_call(item, event.get("output_index"))
        return ()

    def _item_done(self, event: Json) -> Sequence[ModelEvent]:
        return self._item(lenient.json_object(event.get("item")))

    def _extend_call(self, event: Json) -> Sequence[ModelEvent]:
        self._calls.extend(event)
        return ()

    def _complete_call(self, event: Json) -> Sequence[ModelEvent]:
        self._calls.complete(event)
        return ()

    def _item(self, item: Json) -> Sequence[ModelEvent]:
        if item.get("id") and item in self._items:
            return ()
        self._items.append(item)
        match lenient.text(item.get("type")):
            case "message":
                return self._message(item)
            case "function_call":
                return self._function_call(item)
            case "reasoning":
                return _reasoning(item)
            case kind if kind in KINDS:
                return self._end_call(item)
        return ()

    def _message(self, item: Json) -> Sequence[ModelEvent]:
        content = item.get("content")
        # Some servers send a short message whole.
        whole = self._whole_text(content) if self._texts else tuple(self._whole_parts(content))
        return (*whole, *self._end_message(content, lenient.text(item.get("phase"))))

    def _whole_parts(self, content: object) -> Iterator[ModelEvent]:
        for number, part in enumerate(content if isinstance(content, list) else [content]):
            for cited in lenient.objects(lenient.json_object(part).get("annotations")):
                yield from self._citations.cite(cited, number)
            yield from self._text([part], number)

    def _end_message(self, parts: object = (), phase: str = "") -> Sequence[ModelEvent]:
        citations, self._citations = self._citations, Citations()
        if not self._texts:
            return ()
        self._texts = []
        return (MessageEnded(citations.end(parts), phase),)

    def _function_call(self, item: Json) -> Sequence[ModelEvent]:
        call = self._calls.end(item)
        if call.get("status") == "incomplete":
            return ()
        return (parse_tool_call(call.get("name"), call.get("arguments"), call.get("call_id")),)

    def _begin_call(self, item: Json, place: object = None) -> Sequence[ModelEvent]:
        if self._held.is_calling:  # this very call is told to begin once more
            return ()
        self._has_code = False
        self._held.begin_call(item, place)
        return (HostedCallStarted(KINDS[item["type"]]),)

    def _end_call(self, item: Json) -> Sequence[ModelEvent]:
        begun = () if self._held.is_calling else self._begin_call(item)
        code = lenient.text(item.get("code"))
        whole = () if self._has_code or not code else (CodeDelta(code),)
        return (*begun, *whole, parse_hosted_call(item), *self._take_held())

    def _take_held(self) -> Sequence[ModelEvent]:
        """Read what has waited for the end of a call."""
        return [found for event in self._held.end_call() for found in self.parse(event)]

    # ---- the end ---------------------------------------------------------------------------------

    def _untyped(self, event: Json) -> Sequence[ModelEvent]:
        if event.get("error"):
            raise StreamFailed(event["error"])
        self._is_chat = self._is_chat or "choices" in event
        return self._end(event) if event.get("object") == "response" else ()

    def _fail(self, event: Json) -> Sequence[ModelEvent]:
        raise StreamFailed(_error_in(event))

    def _end(self, event: Json) -> Sequence[ModelEvent]:
        """End the turn; the event has the response, or is it."""
        response = lenient.json_object(event.get("response")) or event
        if response.get("error") or response.get("status") in ("failed", "cancelled"):
            self._fail(event)
        stop = _stop_of(event, response)
        rest = self._rest(lenient.objects(response.get("output")), stop)
        self.turn = TurnEnded(stop, parse_usage(response.get("usage") or event.get("usage")))
        return rest

    def _rest(self, output: Sequence[Json], stop: FinishReason) -> Sequence[ModelEvent]:
        """Return what the response has besides what has come in events of its own."""
        found: list[ModelEvent] = []
        for _ in output:
            if (ended := self._held.find_end(output)) is not None:
                found += self._item(ended)
        while self._held.is_calling:
            found += self._take_held()
        for item in _missing(output, self._items):
            found += self._item(item)
        found += self._end_message()
        if stop is FinishReason.END:
            found += [event for item in self._calls.left() for event in self._item(item)]
        return found

    _EVENTS: ClassVar[dict[str, Callable[[ResponsesParser, Json], Sequence[ModelEvent]]]] = {
        "response.output_text.done": _text_done,
        "response.refusal.done": _text_done,
        "response.output_text.annotation.added": _cite,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.code_interpreter_call_code.delta": _code,
        "response.function_call_arguments.delta": _extend_call,
        "response.function_call_arguments.done": _complete_call,
        "response.completed": _end,
        "response.incomplete": _end,
        "response.done": _end,
        "response.failed": _fail,
        "response.cancelled": _fail,
        "response.error": _fail,
        "error": _fail,
    }
    """What is done with an event, by its type; others mean nothing here."""


def _missing(output: Sequence[Json], received: Sequence[Json]) -> list[Json]:
    """The items of a response that were not received; servers may give others ids at its end."""
    missing, left = list(output), list(received)
    for names in (("type", "id"), ("type", "name", "arguments", "content"), ("type",)):
        for item in tuple(missing):
            alike = [one for one in left if all(one.get(n) == item.get(n) for n in names)]
            if alike and ("id" not in names or item.get("id")):
                missing.remove(item)
                left.remove(alike[0])
    return missing


def _stop_of(event: Json, response: Json) -> FinishReason:
    details = response.get("incomplete_details")
    reason = parse_finish_reason(details.get("reason") if isinstance(details, dict) else details)
    if reason not in (None, FinishReason.END):
        return reason
    is_cut = event.get("type") == "response.incomplete" or response.get("status") == "incomplete"
    return FinishReason.LENGTH if is_cut else FinishReason.END


def _error_in(event: Json) -> object:
    """What the provider says is wrong, in any of the shapes in which servers say it."""
    response = lenient.json_object(event.get("response"))
    details = lenient.json_object(response.get("status_details"))
    told = response.get("error") or details.get("error") or event.get("error")
    is_told = event.get("message") or event.get("code")
    return told or (event if is_told else _FAILURE)


def _reasoning(item: Json) -> Sequence[ModelEvent]:
    """The item, if it carries its content: by its id alone a provider that stores nothing fails."""
    if not item.get("encrypted_content") and not item.get("content"):
        return ()
    kept = {name: item[name] for name in _REASONING_FIELDS if item.get(name) is not None}
    return (ReasoningReceived(lenient.storable(kept)),)
