"""Parts of a model request that both APIs send, and the texts that it carries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

from threadmill_shared.model import ModelRequest
from threadmill_shared.records import lenient
from threadmill_shared.records.items import MessageItem, ToolCallItem, text_for_model
from threadmill_shared.records.new_messages import DETAILS

Json = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LENGTH = 64
"""Characters of a function's name; providers take no more, and tools have no longer ones."""
_PROVIDERS_NAMES = frozenset({"id", "call_id", "container_id", "type", "status"})
"""Members of items that a provider may repeat in an error: they say which item is wrong."""


def sendable_text(value: object) -> str:
    """A stored text without what no request can carry: halves of characters, and NULs."""
    return lenient.text(value).replace("\0", "")


def sendable(value: Any) -> Any:
    """A JSON value with all its texts sendable; the value itself, if they are."""
    return value if _is_sendable(value) else _made_sendable(value)


def _is_sendable(value: Any) -> bool:
    """Whether no text needs a change: a request carries thousands, and next to none does."""
    try:
        return b"\\u0000" not in to_json(value)
    except (ValueError, RecursionError):  # it has half of a character
        return False


def _made_sendable(value: Any) -> Any:
    if isinstance(value, str):
        return sendable_text(value)
    if isinstance(value, dict):
        return {_made_sendable(name): _made_sendable(part) for name, part in value.items()}
    return [*map(_made_sendable, value)] if isinstance(value, list | tuple) else value


def call_body(call: ToolCallItem) -> Json:
    """Name and arguments of a call, in a form that every provider takes back.

    A model may make up any name, and write no JSON or break it. Providers check both, and servers
    parse the arguments for their prompt template: they would refuse the thread ever after. The
    call's output tells the model what was wrong.
    """
    name = _NOT_IN_NAMES.sub("_", lenient.text(call["name"]).strip())[:_NAME_LENGTH]
    arguments = sendable_text(call["arguments"])
    return {
        "name": name or "unnamed",
        "arguments": arguments if lenient.is_object(arguments) else "{}",
    }


class ShownImage(NamedTuple):
    """An image that a request carries."""

    url: str
    detail: str | None
    """How closely the model is to look at it; None: nobody has said."""


def shown_images(item: MessageItem, request: ModelRequest) -> list[ShownImage]:
    """The images of a message that are at hand."""
    shown = []
    for part in item["content"]:
        if part["type"] == "image_url":
            shown.append(ShownImage(part["image_url"]["url"], _detail(part["image_url"])))
        elif part["type"] == "image_file" and part["image_file"]["file_id"] in request.images:
            url = request.images[part["image_file"]["file_id"]]
            shown.append(ShownImage(url, _detail(part["image_file"])))
    return shown


def _detail(image: Mapping[str, Any]) -> str | None:
    given = image.get("detail")
    return given if given in DETAILS else None


def users_text(item: MessageItem, request: ModelRequest) -> str:
    """The text of a user's message, which says if images of it are not sent; empty if blank."""
    files = [part["image_file"]["file_id"] for part in item["content"] if "image_file" in part]
    missing = sum(file_id not in request.images for file_id in files)
    text = text_unless_blank(text_for_model(item))
    if not missing:
        return text
    images = "An image" if missing == 1 else f"{missing} images"
    note = f"({images} of this message cannot be shown any more.)"
    return f"{text}\n\n{note}" if text else note


def text_unless_blank(value: object) -> str:
    """The text, sendable; empty if it is blank: providers refuse texts without a word."""
    text = sendable_text(value)
    return text if text.strip() else ""


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
            case "hosted_call" | "reasoning":
                yield from _strings(lenient.storable(item["data"]))


def _strings(data: Any) -> Iterable[str]:
    """All strings in a JSON value, except what the provider itself names its items by."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, part in data.items():
            if name not in _PROVIDERS_NAMES:
                yield from _strings(part)
    elif isinstance(data, list):
        for part in data:
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
