"""Rules for a body as a whole, and for the names of what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from threadmill.testing.standin.parameters import (
    CHAT,
    CHAT_FIELDS,
    ITEM_FIELDS,
    RESPONSES,
    TOOL_FIELDS,
)
from threadmill.testing.standin.rules.rule import (
    OPENAI_PACKAGE,
    OPENAI_REFERENCE,
    RESPONSES_ONLY,
    Inspection,
    Json,
    Violation,
    missing,
    rule,
)

_BODY_BYTES = 50 * 1024 * 1024
_STATEFUL = ("background", "conversation", "previous_response_id", "prompt")


@rule(
    "a body of more than 50 MB",
    source="https://platform.openai.com/docs/guides/images-vision (payload of one request)",
    status=413,
)
def body_size(request: Inspection) -> Iterator[Violation]:
    """Find a body that is too large."""
    size = len(request.request.raw)
    if size > _BODY_BYTES:
        yield Violation(
            f"Request body is too large: {size} bytes. The maximum is {_BODY_BYTES} bytes.",
            None,
            "request_too_large",
        )


@rule(
    "NaN and Infinity, which JSON does not have, and halves of surrogate pairs",
    source="https://www.rfc-editor.org/rfc/rfc8259; "
    "https://github.com/anthropics/claude-code/issues/6273 (no low surrogate in string)",
)
def valid_json(request: Inspection) -> Iterator[Violation]:
    """Find what Python's JSON reader takes and others do not."""
    raw = request.request.raw
    try:
        if b"NaN" in raw or b"Infinity" in raw:
            json.loads(raw, parse_constant=_reject)
        if b"\\ud" in raw.lower():
            json.dumps(dict(request.body), ensure_ascii=False).encode()
    except ValueError:
        yield Violation(
            "We could not parse the JSON body of your request. (HINT: This likely means you "
            "aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but "
            "what was sent was not valid JSON.)"
        )


@rule("a body without its model, or without input or messages", source=OPENAI_REFERENCE)
def required_parameters(request: Inspection) -> Iterator[Violation]:
    """Find what every request needs."""
    yield from (missing(n) for n in ("model", request.place) if request.body.get(n) is None)


@rule("input or messages that are not an array of objects", source=OPENAI_REFERENCE)
def array_of_objects(request: Inspection) -> Iterator[Violation]:
    """Find a conversation of another type."""
    said = request.body.get(request.place)
    if isinstance(said, str) and not request.is_chat:
        return
    if not isinstance(said, list) or not all(isinstance(item, dict) for item in said):
        yield Violation(
            f"Invalid type for '{request.place}': expected an array of objects, but got something "
            "else instead.",
            request.place,
            "invalid_type",
        )


@rule("input or messages without an entry", source=OPENAI_REFERENCE)
def empty_conversation(request: Inspection) -> Iterator[Violation]:
    """Find an empty conversation."""
    if request.body.get(request.place) in ([], ""):
        yield Violation(
            f"Invalid '{request.place}': empty array. Expected an array with minimum length 1, but "
            "got an empty array instead.",
            request.place,
            "empty_array",
        )


@rule("parameters that the API does not have", source=OPENAI_PACKAGE)
def unknown_parameters(request: Inspection) -> Iterator[Violation]:
    """Find parameters at the top of the body."""
    known = CHAT if request.is_chat else RESPONSES
    yield from (_unknown(name) for name in request.body if name not in known)


@rule("fields that items, messages, their parts and calls do not have", source=OPENAI_PACKAGE)
def unknown_fields(request: Inspection) -> Iterator[Violation]:
    """Find fields inside the conversation."""
    fields = CHAT_FIELDS if request.is_chat else ITEM_FIELDS
    for place, item in request.items:
        kind = item.get("role") if request.is_chat else item.get("type", "message")
        yield from _unknown_in(place, item, fields.get(str(kind)))
    for place, part, _ in request.parts:
        yield from _unknown_in(place, part, fields.get(f"part {part.get('type')}"))


@rule("fields that tools do not have", source=OPENAI_PACKAGE)
def unknown_tool_fields(request: Inspection) -> Iterator[Violation]:
    """Find fields of tools and functions."""
    if request.is_chat:
        for place, tool in request.tools:
            yield from _unknown_in(place, tool, TOOL_FIELDS["chat tool"])
    for place, tool in request.functions if request.is_chat else request.tools:
        kind = "chat function" if request.is_chat else str(tool.get("type"))
        yield from _unknown_in(place, tool, TOOL_FIELDS.get(kind))


@rule(
    "what needs a provider that keeps responses: the stand-in keeps none",
    source="the stand-in itself",
    apis=RESPONSES_ONLY,
    provider="the stand-in",
)
def kept_responses(request: Inspection) -> Iterator[Violation]:
    """Find parameters that name what was kept."""
    for name in _STATEFUL:
        if request.body.get(name):
            yield Violation(f"The stand-in keeps nothing, so it cannot do {name!r}.", name)


def _unknown_in(place: str, value: Json, known: Iterable[str] | None) -> Iterator[Violation]:
    """Nothing if the kind is unknown: other rules refuse that."""
    if known is not None:
        yield from (_unknown(f"{place}.{name}") for name in value if name not in known)


def _unknown(place: str) -> Violation:
    return Violation(f"Unknown parameter: '{place}'.", place, "unknown_parameter")


def _reject(name: str) -> None:
    raise ValueError(name)
