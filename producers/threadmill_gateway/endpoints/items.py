"""From the messages that a client sends to those that are stored, with the files that they name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.messages import MessageBody
from threadmill_gateway.endpoints.call import Call
from threadmill_shared import errors
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.new_messages import read_new_messages
from threadmill_shared.store.message_files import with_files


async def new_messages(call: Call, bodies: Sequence[MessageBody] | None) -> tuple[NewMessage, ...]:
    """New messages, each with copies of the uploaded files that it names.

    Files of other ids are the model provider's; nobody can look whether it has them.

    Raises:
        ApiError: there is no such uploaded file.
        BadMessage, TooLarge: a message cannot be stored.
    """
    given = [body.model_dump(exclude_none=True, exclude={"threadmill"}) for body in bodies or ()]
    for one in given:
        for attachment in one.get("attachments", ()):
            attachment.setdefault("tools", [])
    read = read_new_messages(given, max_bytes=call.gateway.settings.max_message_bytes)
    return tuple(await with_files(read, partial(_file, call)))


async def _file(call: Call, id: str) -> FileContent:
    call.note_use(id)
    try:
        return await call.store.uploaded_files.content(id)
    except errors.FileNotFound:
        raise refusals.no_file(id) from None


def all_attached(messages: Sequence[NewMessage]) -> Attached:
    """The files of all of them."""
    files = [file for one in messages for file in one.attached.files]
    return Attached(files=tuple(files)) if files else NOTHING
