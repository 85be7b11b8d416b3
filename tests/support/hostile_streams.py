"""Streams of both model APIs as providers send them, and what a hostile one makes of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from pydantic_core import from_json

Json = Any

DEEP_TEXT = "[" * 20_000
DEEP_OBJECT = '{"a":' * 150 + "1" + "}" * 150


def nested(depth: int) -> Json:
    """A list in a list in a list."""
    value: Json = []
    for _ in range(depth):
        value = [value]
    return value


VALUES: list[Json] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    2**53,
    2**63,
    10**30,
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "7",
    "null",
    "\x00\x1b[2J\x7f\x9b\u202e",
    "\ud800",
    "\udc00\ud83d",
    "x" * 5000,
    DEEP_TEXT,
    DEEP_OBJECT,
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"type": None},
    {"type": []},
    [{"type": "file_citation"}],
    [{"type": "container_file_citation", "file_id": 5, "container_id": None}],
    [{"type": "url_citation", "url": None, "start_index": None, "end_index": "9"}],
    [{"type": "image", "url": 7}, {"type": "logs", "logs": {}}, {"type": "logs"}],
    {"message": {"text": "no"}, "code": [], "type": 5},
    nested(90),
    nested(150),
    nested(250),
]


REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
CODE = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "code": "print(1)",
    "container_id": "cntr_1",
    "status": "completed",
    "outputs": [
        {"type": "logs", "logs": "1\n"},
        {"type": "image", "url": "data:image/png;base64,AAAA"},
    ],
}
SEARCH = {
    "type": "file_search_call",
    "id": "fs_1",
    "queries": ["tea"],
    "status": "completed",
    "results": [{"file_id": "file-1", "filename": "a.txt", "score": 0.5, "text": "tea"}],
}


def is_readable(value: Json) -> bool:
    """Whether this can be in the store at all: its parser takes neither half an emoji nor all."""
    try:
        from_json(json.dumps(value))
    except ValueError:
        return False
    return True


def responses_stream() -> list[Json]:
    """One turn of the Responses API with all that it may hold."""
    annotations = [
        {"type": "file_citation", "index": 4, "file_id": "file-1", "filename": "a.txt"},
        {
            "type": "container_file_citation",
            "container_id": "cntr_1",
            "file_id": "cfile_1",
            "filename": "plot.png",
            "start_index": 0,
            "end_index": 4,
        },
        {"type": "url_citation", "url": "http://a", "title": "A", "start_index": 0, "end_index": 2},
    ]
    part = {"type": "output_text", "text": "Here you are.", "annotations": annotations}
    refusal = {"type": "refusal", "refusal": "No."}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part, refusal]}
    call = {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "length",
        "arguments": '{"text": "four"}',
        "status": "completed",
    }
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    response = {"id": "resp_1", "status": "completed", "usage": usage, "incomplete_details": None}
    events = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.output_item.added", "output_index": 1, "item": CODE | {"code": ""}},
        {"type": "response.code_interpreter_call_code.delta", "delta": "print(1)"},
        {"type": "response.output_item.done", "output_index": 1, "item": CODE},
        {"type": "response.output_item.added", "output_index": 2, "item": SEARCH},
        {"type": "response.output_item.done", "output_index": 2, "item": SEARCH},
        {"type": "response.output_text.delta", "output_index": 3, "delta": "Here you "},
        {"type": "response.output_text.delta", "output_index": 3, "delta": "are."},
        {"type": "response.output_item.done", "output_index": 3, "item": message},
        {"type": "response.output_item.done", "output_index": 4, "item": call},
        {"type": "response.completed", "response": response},
    ]
    return copy.deepcopy(events)


def chat_stream() -> list[Json]:
    """One turn of Chat Completions with all that it may hold."""

    def chunk(delta: Json, reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {"id": "chatcmpl-1", "choices": [choice], "usage": None}

    def piece(index: int, id: str | None, name: str | None, arguments: str) -> Json:
        function = {"name": name, "arguments": arguments}
        return {"index": index, "id": id, "type": "function", "function": function}

    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    return [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "Here you "}),
        chunk({"content": "are."}),
        chunk({"tool_calls": [piece(0, "call_1", "length", "")]}),
        chunk({"tool_calls": [piece(0, None, None, '{"text": ')]}),
        chunk({"tool_calls": [piece(0, None, None, '"four"}')]}),
        chunk({"tool_calls": [piece(1, "call_2", "length", "{}")]}),
        chunk({}, "tool_calls"),
        {"id": "chatcmpl-1", "choices": [], "usage": usage},
    ]


STREAMS = {"responses": responses_stream, "chat": chat_stream}


def encoded(events: list[Json], *, done: bool = True) -> bytes:
    """The stream's bytes; what JSON has no word for is written as Python writes it."""
    frames = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*frames, "data: [DONE]\n\n" if done else ""]).encode()


def _places(value: Json) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value: what holds it, and its key or index there."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _put(holder: Any, key: Any, value: Json) -> None:
    holder[key] = value


def _drop(holder: Any, key: Any, _: Json) -> None:
    del holder[key]


def _repeat(holder: Any, key: Any, _: Json) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[f"{key}2"] = holder[key]


def _insert(holder: Any, key: Any, value: Json) -> None:
    if isinstance(holder, list):
        holder.insert(key, value)
    else:
        holder["new"] = value


def _swap(holder: Any, key: Any, _: Json) -> None:
    if isinstance(holder, list):
        holder.append(holder.pop(key))
    else:
        holder[key] = [holder[key]]


def _change_case(holder: Any, key: Any, _: Json) -> None:
    if isinstance(holder[key], str):
        holder[key] = holder[key].swapcase()


CHANGES = (_put, _put, _put, _drop, _repeat, _insert, _swap, _change_case)


@st.composite
def hostile_streams(draw: st.DrawFn, api: str) -> bytes:
    """A turn of this API with some of its values replaced, dropped, repeated, added or moved."""
    events = STREAMS[api]()
    for _ in range(draw(st.integers(1, 4))):
        places = [place for place in _places(events) if not isinstance(place[1], bool)]
        if places:
            holder, key = draw(st.sampled_from(places))
            draw(st.sampled_from(CHANGES))(
                holder, key, copy.deepcopy(draw(st.sampled_from(VALUES)))
            )
    stream = encoded(events, done=draw(st.booleans()))
    return stream[: draw(st.sampled_from([None, None, None, len(stream) // 2]))]
