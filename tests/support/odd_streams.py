"""Answers of both model APIs as servers send them that are not strict, and what they mean."""

from __future__ import annotations

import json
from typing import Any

from tests.support.stream_reading import Answer, answer_in, read_stream

from threadmill_shared.errors import ModelError
from threadmill_shared.model import FinishReason

Json = dict[str, Any]
DONE = "[DONE]"
TOOLS = ("weigh", "paint", "now")


def body(*events: Any) -> bytes:
    """A body of these events; a text is sent as it stands, bytes take the place of an event."""
    return b"".join(map(frame, events))


def frame(event: Any) -> bytes:
    if isinstance(event, bytes):
        return event
    return f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()


def read_answer(api: str, *events: Any) -> Answer:
    found, error = read_stream(api, body(*events), tools=TOOLS)
    assert error is None
    return answer_in(found)


def failure(api: str, *events: Any) -> ModelError:
    _, error = read_stream(api, body(*events), tools=TOOLS)
    assert error is not None
    return error


# ---- Chat Completions ----------------------------------------------------------------------------


def chunk(delta: Any = None, reason: Any = None, **more: Any) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def said(text: Any, reason: Any = None, **more: Any) -> Json:
    return chunk({"content": text}, reason, **more)


def piece(name: Any = None, arguments: Any = None, **place: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    own = {key: value for key, value in function.items() if value is not None}
    return chunk({"tool_calls": [{**place, "function": own}]})


USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
END = (chunk({}, "stop"), DONE)


# ---- the Responses API ---------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> Json:
    return {"type": f"response.{kind}", "sequence_number": "7", **fields}


def delta(text: Any) -> Json:
    return event("output_text.delta", item_id="m1", output_index=0, delta=text)


def message(text: Any = "Hello", **more: Any) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "m1", "role": "assistant", "content": content, **more}


def call(name: str = "weigh", arguments: Any = '{"grams":3}', **more: Any) -> Json:
    ids = {"id": f"fc_{name}", "call_id": f"call_{name}"}
    return {"type": "function_call", **ids, "name": name, "arguments": arguments, **more}


def done(item: Any) -> Json:
    return event("output_item.done", output_index=0, item=item)


def completed(*output: Any, **more: Any) -> Json:
    return event("completed", response={"id": "r1", "output": list(output), **more})


# ---- answers -------------------------------------------------------------------------------------

HELLO = Answer("Hello")
FUNCTION = {"name": "weigh", "arguments": '{"grams":3}'}
WEIGH = ("weigh", '{"grams":3}')
PAINT = ("paint", '{"colour":"red"}')
BOTH = (WEIGH, PAINT)
ONE = (WEIGH,)
CUTS = {
    FinishReason.LENGTH: [
        "length",
        "LENGTH",
        "MAX_TOKENS",
        "max_tokens",
        "max_output_tokens",
        "model_length",
        "FinishReason.MAX_TOKENS",
        "model_context_window_exceeded",
    ],
    FinishReason.CONTENT_FILTER: [
        "content_filter",
        "CONTENT_FILTER",
        "SAFETY",
        "RECITATION",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "sensitive",
        "content_filtered",
        "guardrail_intervened",
    ],
}
ALL_CUTS = [(word, stop) for stop, words in CUTS.items() for word in words]
