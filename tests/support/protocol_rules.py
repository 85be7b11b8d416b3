"""What providers refuse in the conversation of a request, as findings in words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Json = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,40}")
_ITEM_IDS = {
    "message": re.compile(r"msg.{0,61}"),
    "reasoning": re.compile(r"rs.{0,62}"),
    "code_interpreter_call": re.compile(r"ci.{0,62}"),
    "file_search_call": re.compile(r"fs.{0,62}"),
    "web_search_call": re.compile(r"ws.{0,62}"),
}


def violations(api: str, body: Json) -> list[str]:
    """What is wrong with a body, in any order; nothing if every provider takes it."""
    found = [*_bad_characters(body)]
    found += _of_chat(body["messages"]) if api == "chat" else _of_responses(body["input"])
    return found


def _bad_characters(body: Json) -> Iterator[str]:
    text = json.dumps(body, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in text.replace("\\\\", ""):
        yield "a NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        yield "half of a surrogate pair"


def _of_call(name: str, arguments: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"a call's name: {name!r}"
    if not is_strict_object(arguments):
        yield f"a call's arguments: {arguments!r}"


def is_strict_object(text: str) -> bool:
    """Whether the text is one JSON object for a reader that takes nothing else."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value = json.loads(text, parse_constant=refuse)
        # A lone surrogate or a number beyond a float's range: readers in other languages refuse it.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return isinstance(value, dict)


def _of_ids(calls: list[str], outputs: list[str]) -> Iterator[str]:
    yield from (f"a call's id: {id!r}" for id in calls if not _CALL_ID.fullmatch(id))
    yield from (f"a repeated id: {id!r}" for id, count in Counter(calls).items() if count > 1)
    if Counter(calls) != Counter(outputs):
        yield f"calls {calls} have the outputs {outputs}"


# ---- Chat Completions ----------------------------------------------------------------------------


def _of_chat(messages: list[Json]) -> Iterator[str]:
    said = [one for one in messages if one["role"] != "system"]
    if not said or said[0]["role"] != "user":
        yield "the first message is not the user's"
    for former, later in pairwise(said):
        if former["role"] == later["role"] != "tool":
            yield f"two messages of the {later['role']} in a row"
    yield from _chat_calls(said)
    for message in messages:
        yield from _chat_texts(message)


def _chat_calls(messages: list[Json]) -> Iterator[str]:
    calls = [call for message in messages for call in message.get("tool_calls", ())]
    for call in calls:
        yield from _of_call(**call["function"])
    outputs = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    yield from _of_ids([call["id"] for call in calls], outputs)
    waiting: set[str] = set()
    for message in messages:
        if message["role"] == "tool" and message["tool_call_id"] in waiting:
            waiting.remove(message["tool_call_id"])
        elif message["role"] == "tool" or waiting:
            yield "an output does not follow its call directly"
        waiting |= {call["id"] for call in message.get("tool_calls", ())}


def _chat_texts(message: Json) -> Iterator[str]:
    content = message["content"]
    texts = (
        [one["text"] for one in content if one["type"] == "text"]
        if isinstance(content, list)
        else [content or ("calls" if message.get("tool_calls") else "")]
    )
    if not content and not message.get("tool_calls"):
        yield "a message without content"
    if not all(text.strip() for text in texts):
        yield f"a blank text of the {message['role']}"


# ---- the Responses API ---------------------------------------------------------------------------


def _of_responses(items: list[Json]) -> Iterator[str]:
    if not items:
        yield "no input"
    ids = [item["id"] for item in items if "id" in item]
    yield from (f"a repeated id: {id!r}" for id, count in Counter(ids).items() if count > 1)
    for number, item in enumerate(items):
        pattern = _ITEM_IDS.get(item["type"])
        if pattern and "id" in item and not pattern.fullmatch(item["id"]):
            yield f"an item's id: {item['id']!r}"
        if item["type"] == "message":
            yield from _response_texts(item)
        elif item["type"] == "reasoning":
            yield from _of_reasoning(items[number + 1 :])
    yield from _response_calls(items)


def _response_texts(message: Json) -> Iterator[str]:
    texts = [part["text"] for part in message["content"] if "text" in part]
    if not message["content"] or not all(text.strip() for text in texts):
        yield f"a blank text of the {message['role']}"


def _response_calls(items: list[Json]) -> Iterator[str]:
    calls: list[str] = []
    outputs: list[str] = []
    for item in items:
        if item["type"] == "function_call":
            calls.append(item["call_id"])
            yield from _of_call(item["name"], item["arguments"])
        elif item["type"] == "function_call_output":
            outputs.append(item["call_id"])
            if item["call_id"] not in calls:
                yield "an output before its call"
            if not item["output"].strip():
                yield "a blank output"
    yield from _of_ids(calls, outputs)


def _of_reasoning(following: list[Json]) -> Iterator[str]:
    rest = (item for item in following if item["type"] != "reasoning")
    first = next(rest, None)
    if first is None or first.get("role") == "user" or first["type"] == "function_call_output":
        yield "reasoning that nothing of the model's follows"
