"""Messages that a caller gives in the Assistants API's form, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.records.items import MessageItem, text_part
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.texts import checked_metadata

MOST_MESSAGES = 100
"""Of one request: they are written in one step, and other clients wait meanwhile."""
ROLES = ("user", "assistant")
DETAILS = ("auto", "low", "high")
_FIELDS = ("role", "content", "attachments", "metadata")
_URLS = ("https://", "http://", "data:image/")


def read_new_messages(given: Any, *, max_bytes: int) -> tuple[NewMessage, ...]:
    """Messages from what a caller gave for them; None: there are none.

    Args:
        given: a list of `{"role", "content", "attachments", "metadata"}`; the last two may be
            missing, and contents may be a text or a list of parts.
        max_bytes: how large a message's text may be.

    Raises:
        TypeError: it is not a list of mappings.
        BadMessage: a message has an unknown field, or one that cannot be.
        TooLarge: there are too many, or one is too large.
    """
    if given is None:
        return ()
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Sequence):
        raise TypeError(
            "Messages must be a list of mappings, such as [{'role': 'user', 'content': 'Hello!'}], "
            f"not {type(given).__name__}."
        )
    if len(given) > MOST_MESSAGES:
        raise errors.TooLarge(f"There are {len(given)} messages; {MOST_MESSAGES} are allowed.")
    return tuple(_new_message(f"Message {at}", one, max_bytes) for at, one in enumerate(given))


def _new_message(what: str, given: Any, max_bytes: int) -> NewMessage:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} must be a mapping, not {type(given).__name__}.")
    unknown = sorted(str(name) for name in given.keys() - set(_FIELDS))
    _refuse(unknown, f"{what} has the unknown field {', '.join(unknown)}. Known: {_FIELDS}.")
    role = given.get("role")
    _refuse(role not in ROLES, f"The role of message must be one of {', '.join(ROLES)}: {what}.")
    content = _content(what, given.get("content"), max_bytes)
    _refuse(
        role != "user" and any(part["type"] != "text" for part in content),
        f"{what}: only messages of the user can have images.",
    )
    item: MessageItem = {
        "type": "message",
        "id": ids.new_message_id(),
        "role": role,  # type: ignore[typeddict-item]  # checked above
        "content": content,
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": checked_metadata(given.get("metadata") or {}, "A message's"),
    }
    if attachments := _attachments(what, given.get("attachments")):
        item["attachments"] = attachments
    return NewMessage(item)


def _content(what: str, given: Any, max_bytes: int) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": given}] if isinstance(given, str) else given
    is_list = isinstance(parts, Sequence) and not isinstance(parts, bytes)
    _refuse(not is_list, f"The content of a message must be a text or a list of parts: {what}.")
    content = [_part(what, part) for part in parts]
    _refuse(not content, f"{what} must not be empty.")
    size = sum(len(text.encode()) for part in content for text in _texts(part))
    if size > max_bytes:
        raise errors.TooLarge(
            f"{what} has {size} bytes; THREADMILL_MAX_MESSAGE_BYTES allows {max_bytes}."
        )
    return content


def _part(what: str, given: Any) -> dict[str, Any]:
    match given:
        case {"type": "text", "text": str() as text, **rest} if text and not rest:
            return text_part(_valid(what, text))
        case {"type": "image_url", "image_url": {"url": str() as url, **options}, **rest} if (
            url.startswith(_URLS) and not rest and _is_detail(options)
        ):
            return {"type": "image_url", "image_url": {"url": _valid(what, url), **options}}
        case {"type": "image_file", "image_file": {"file_id": str() as id, **options}, **rest} if (
            id and not rest and _is_detail(options)
        ):
            return {"type": "image_file", "image_file": {"file_id": _valid(what, id), **options}}
    raise errors.BadMessage(
        f"{what} has a part that is neither {{'type': 'text', 'text': ...}}, with a text that is "
        "not empty, nor {'type': 'image_url', 'image_url': {'url': ...}}, nor {'type': "
        "'image_file', 'image_file': {'file_id': ...}}; images can have a detail: "
        f"{', '.join(DETAILS)}."
    )


def _is_detail(options: Mapping[Any, Any]) -> bool:
    return options.keys() <= {"detail"} and options.get("detail", "auto") in DETAILS


def _texts(part: Mapping[str, Any]) -> list[str]:
    inner = part[part["type"]]
    return [str(inner[name]) for name in ("value", "url", "file_id") if name in inner]


def _attachments(what: str, given: Any) -> list[dict[str, Any]]:
    return [_attachment(what, one) for one in given or ()]


def _attachment(what: str, given: Any) -> dict[str, Any]:
    tools = [{"type": "code_interpreter"}, {"type": "file_search"}]
    match given:
        case {"file_id": str() as id, "tools": [*used], **rest} if id and not rest:
            if all(tool in tools for tool in used):
                return {"file_id": _valid(what, id), "tools": [dict(tool) for tool in used]}
    raise errors.BadMessage(
        f"{what} has an attachment that is not {{'file_id': ..., 'tools': [...]}}, with the tools "
        "{'type': 'code_interpreter'} and {'type': 'file_search'}."
    )


def _valid(what: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise errors.BadMessage(f"{what} must be valid Unicode, without lone surrogates.") from None
    return text


def _refuse(wrong: object, otherwise: str) -> None:
    if wrong:
        raise errors.BadMessage(otherwise)
