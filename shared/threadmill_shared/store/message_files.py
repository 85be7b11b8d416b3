"""The uploaded files that new messages name by their ids: they are copied beside the thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from threadmill_shared import errors, ids
from threadmill_shared.records.files import FileContent, image_type
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.messages import NewMessage

MOST_BYTES = 100_000_000
"""Of all files that the messages of one request name; they are in memory together."""


async def with_files(
    messages: Sequence[NewMessage], read: Callable[[str], Awaitable[FileContent]]
) -> tuple[NewMessage, ...]:
    """The messages with the contents of the files that they name; ids of others stay as they are.

    Args:
        messages: in the Assistants API's form, as `read_new_messages` makes them.
        read: reads an uploaded file.

    Raises:
        FileNotFound: a file is not there.
        BadMessage: a file that must be an image is not one.
        TooLarge: the files are too large together.
    """
    named = dict.fromkeys(id for message in messages for id in _named(message.item))
    files: dict[str, FileContent] = {}
    for id in named:
        files[id] = await read(id)
        if sum(len(file.content) for file in files.values()) > MOST_BYTES:
            raise errors.TooLarge(
                f"The files that the messages name have more than {MOST_BYTES:,} bytes."
            )
    return tuple(_with_files(message, files) for message in messages)


def _named(item: MessageItem) -> Iterator[str]:
    """The ids of uploads among the files that a message names."""
    parts = [part["image_file"] for part in item["content"] if part["type"] == "image_file"]
    for named in (*item.get("attachments", ()), *parts):
        if ids.is_uploaded_file_id(named["file_id"]):
            yield named["file_id"]


def _with_files(message: NewMessage, files: Mapping[str, FileContent]) -> NewMessage:
    named = list(dict.fromkeys(_named(message.item)))
    if not named:
        return message
    for part in message.item["content"]:
        _check_image(part, files)
    item = dict(message.item)
    if attachments := message.item.get("attachments"):
        item["attachments"] = [_described(one, files) for one in attachments]
    contents = (*message.attached.files, *(files[id] for id in named))
    attached = replace(message.attached, files=contents)
    return NewMessage(cast("MessageItem", item), attached)


def _check_image(part: Mapping[str, Any], files: Mapping[str, FileContent]) -> None:
    file = files.get(part["image_file"]["file_id"]) if part["type"] == "image_file" else None
    if file is not None and image_type(file.content) is None:
        raise errors.BadMessage(f"{file.id} must be a PNG, JPEG, GIF or WebP image.")


def _described(attachment: Mapping[str, Any], files: Mapping[str, FileContent]) -> dict[str, Any]:
    """An attachment with its file's name and size, as those of paths have them."""
    file = files.get(attachment["file_id"])
    if file is None:
        return dict(attachment)
    return {**attachment, "filename": file.name, "bytes": len(file.content)}
