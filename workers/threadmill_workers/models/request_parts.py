"""Parts of a model request that both APIs send, and the texts that it carries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import MessageItem, ToolCallItem, text_for_model

Json = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LENGTH = 64
"""Characters of a function's name; providers take no more, and tools have no longer ones."""


def call_body(call: ToolCallItem) -> Json:
    """Name and arguments of a call, in a form that every provider takes back.

    A model may make up any name, and write no JSON or break it. Providers check both, and servers
    parse the arguments for their prompt template: they would refuse the thread ever after. The
    call's output tells the model what was wrong.
    """
    name = _NOT_IN_NAMES.sub("_", lenient.text(call["name"]))[:_NAME_LENGTH]
    arguments = lenient.text(call["arguments"])
    return {
        "name": name or "unnamed",
        "arguments": arguments if lenient.is_object(arguments) else "{}",
    }


def image_urls(item: MessageItem, request: ModelRequest) -> list[str]:
    """The images of a message; those that are not at hand are left out."""
    urls = []
    for part in item["content"]:
        if part["type"] == "image_url":
            urls.append(part["image_url"]["url"])
        elif part["type"] == "image_file" and part["image_file"]["file_id"] in request.images:
            urls.append(request.images[part["image_file"]["file_id"]])
    return urls


def sent_texts(request: ModelRequest) -> Iterable[str]:
    """All that users, models and tools wrote in this request, and the instructions."""
    yield request.instructions
    for item in request.items:
        match item["type"]:
            case "message":
                yield text_for_model(item)
            case "tool_call":
                yield lenient.text(item["arguments"])
            case "tool_output":
                yield lenient.text(item["output"])
            case "note":
                yield lenient.text(item["text"])
            case "hosted_call":
                yield from _strings(lenient.storable(item["data"]))
            case "reasoning":
                pass


def _strings(data: Any) -> Iterable[str]:
    """All strings in a JSON value."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _strings(part)


def without_none(body: Json) -> Json:
    """Leave out what the run says nothing about."""
    return {name: value for name, value in body.items() if value is not None}


def finished_body(body: Json, request: ModelRequest) -> Json:
    """A body of what the run says something about, with what its caller adds to it."""
    return _merged(without_none(body), request.extra_body or {})


def _merged(body: Json, extra: Mapping[str, Any]) -> Json:
    """An object with further members; those of objects in it are merged, too."""
    merged = dict(body)
    for name, value in extra.items():
        old = body.get(name)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[name] = _merged(old or {}, value) if both else value
    return merged
