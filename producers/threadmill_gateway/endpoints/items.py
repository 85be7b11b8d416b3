"""From the messages that a client sends to those that are stored, with the files that they name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.messages import MessageBody
from threadmill_gateway.endpoints.call import Call
from threadmill_shared import errors, ids
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.items import MessageItem
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.new_messages import read_new_messages


async def new_messages(call: Call, bodies: Sequence[MessageBody] | None) -> tuple[NewMessage, ...]:
    """New messages, each with copies of the uploaded files that it names.

    Files of other ids are the model provider's; nobody can look whether it has them.

    Raises:
        ApiError: there is no such uploaded file.
        BadMessage, TooLarge: a message cannot be stored.
    """
    given = [body.model_dump(exclude_none=True) for body in bodies or ()]
    for one in given:
        for attachment in one.get("attachments", ()):
            attachment.setdefault("tools", [])
    read = read_new_messages(given, max_bytes=call.gateway.settings.max_message_bytes)
    return tuple(await asyncio.gather(*(_with_files(call, one) for one in read)))


async def _with_files(call: Call, message: NewMessage) -> NewMessage:
    uploaded = [id for id in _named(message.item) if ids.is_uploaded_file_id(id)]
    if not uploaded:
        return message
    files = await asyncio.gather(*(_file(call, id) for id in dict.fromkeys(uploaded)))
    known = {file.id: file for file in files}
    item = message.item
    for attachment in item.get("attachments", ()):
        if file := known.get(attachment["file_id"]):
            attachment |= {"filename": file.name, "bytes": len(file.content)}
    return NewMessage(item, Attached(files=tuple(files)))


async def _file(call: Call, id: str) -> FileContent:
    try:
        return await call.store.uploaded_files.content(id)
    except errors.FileNotFound:
        raise refusals.no_file(id) from None


def _named(item: MessageItem) -> list[str]:
    """The ids of the files that a message names."""
    images = [part["image_file"]["file_id"] for part in item["content"] if "image_file" in part]
    return [*images, *(attachment["file_id"] for attachment in item.get("attachments", ()))]


def all_attached(messages: Sequence[NewMessage]) -> Attached:
    """The files of all of them."""
    files = [file for one in messages for file in one.attached.files]
    return Attached(files=tuple(files)) if files else NOTHING
