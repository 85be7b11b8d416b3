"""Files that runs make and users attach: their names, and how they lie in the store.

Redis holds texts here, so a file's bytes are Base64: a third more than the file itself. They go in
pieces, each in a round trip of its own: one large command would hold up the tokens of other runs,
in this process and in Redis. A file is there once its last field is, which names it.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from threadmill_shared import ids
from threadmill_shared.records import lenient
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.files import (
    FileContent,
    FileFailure,
    FileInfo,
    ThreadVectorStore,
    Upload,
    harmless_name,
)
from threadmill_shared.records.messages import MessageNote
from threadmill_shared.store.scripts.threads import ThreadScripts
from threadmill_shared.store.server import GAPS_FORMAT, Server
from threadmill_shared.store.session import Session

VECTOR_STORE_FIELD = "store"
"""The field of a thread's files that notes its vector store."""
LEFT_OUT_FIELD = "left_out"
"""The field that notes what models did not take of the thread."""
VECTOR_STORE_BEGUN_FIELD = "store:begun"
"""The field that notes since when one may have been made that is not noted yet."""

LeftOutNotes = dict[str, dict[str, tuple[tuple[int, int], ...]]]
"""By model and by what is left out: first and last positions of where it is."""


def upload_field(file_id: str) -> str:
    """The field of a thread's files that notes the upload of one."""
    return f"{file_id}:at"


def failures_field(message_id: str) -> str:
    """The field of a thread's files that notes which of a message cannot be used, and why."""
    return f"{message_id}:failed"


def metadata_field(message_id: str) -> str:
    """The field of a thread's files that has the metadata that a message was given later."""
    return f"{message_id}:metadata"


def read_left_out(stored: str | None) -> LeftOutNotes:
    """What models did not take of a thread, as it is stored; empty or None: there is nothing."""
    return {
        model: {kind: _spans(spans) for kind, spans in lenient.json_object(note).items()}
        for model, note in lenient.json_object(from_json(stored) if stored else None).items()
    }


def read_notes(message_ids: Sequence[str], stored: Sequence[str | None]) -> dict[str, MessageNote]:
    """What is kept beside messages, by their ids, from the answer to `notes_command`."""
    notes = zip(message_ids, stored[::2], stored[1::2], strict=True)
    found = {id: read_note(failures, metadata) for id, failures, metadata in notes}
    return {id: note for id, note in found.items() if note is not None}


def read_note(failures: str | None, metadata: str | None) -> MessageNote | None:
    """What is kept beside one message, from the two fields; None: nothing."""
    if not failures and not metadata:
        return None
    return MessageNote(
        failures=_read_failures(failures) if failures else None,
        metadata=from_json(metadata) if metadata else None,
    )


class Files:
    """The files of one namespace."""

    def __init__(self, session: Session, server: Server) -> None:
        self._server = server
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = ThreadScripts(session.keys)

    async def produced(self, run_id: str) -> list[FileInfo]:
        """The files that a run has made, by their ids."""
        key = self._keys.files(run_id)
        names = await self._runner.command("HKEYS", key)
        ids = sorted(field for field in names if "/" not in field)
        infos = await self._runner.commands([("HGET", key, id) for id in ids])
        found = ((id, from_json(stored)) for id, stored in zip(ids, infos, strict=True) if stored)
        return [FileInfo(id, known["name"], known["bytes"], known["image"]) for id, known in found]

    async def read_produced(self, run_id: str, file_id: str) -> FileContent | None:
        """A file that a run has made; None if it is not there."""
        return await self.read_file(self._keys.files(run_id), file_id)

    async def read_attached(self, thread_id: str, file_id: str) -> FileContent | None:
        """A file that is attached to a thread; None if it is not there."""
        return await self.read_file(self._keys.attached(thread_id), file_id)

    async def attached_infos(self, thread_id: str, file_ids: Sequence[str]) -> dict[str, FileInfo]:
        """Those of these files that are there, without their contents."""
        if not file_ids:
            return {}
        stored = await self._runner.command("HMGET", self._keys.attached(thread_id), *file_ids)
        found = map(_read_info, file_ids, stored)
        return {info.id: info for info in found if info is not None}

    async def attach(self, thread_id: str, attached: Attached) -> None:
        """Put files beside a thread, before the message that names them.

        They stay if the message is refused: whoever tries again need not send them again, and
        they go with the thread.
        """
        if any(ids.is_uploaded_file_id(file.id) for file in attached.files):
            await self._server.use_format(GAPS_FORMAT)
        for file in attached.files:
            key = self._keys.attached(thread_id)
            if await self._runner.command("HEXISTS", key, file.id):
                continue
            for name, value in file.fields():
                call = self._scripts.attach(thread_id=thread_id, field=name, value=value)
                await self._runner.run_apart(call)

    async def upload(self, thread_id: str, file_id: str) -> Upload | None:
        """What a holder has noted of an attached file's upload; None if nothing was."""
        found = await self._note(thread_id, upload_field(file_id))
        return None if found is None else Upload(found["id"], lenient.number(found["until"]))

    async def vector_store(self, thread_id: str) -> ThreadVectorStore | None:
        """What a holder has noted of the thread's vector store; None if nothing was."""
        found = await self._note(thread_id, VECTOR_STORE_FIELD)
        if found is None:
            return None
        pending = lenient.texts(found.get("pending"))
        return ThreadVectorStore(found["id"], found["files"], pending)

    async def left_out(self, thread_id: str) -> LeftOutNotes:
        """What holders have noted: for each model, where what is left out, by its kind."""
        key = self._keys.attached(thread_id)
        return read_left_out(await self._runner.command("HGET", key, LEFT_OUT_FIELD))

    async def vector_store_begun(self, thread_id: str) -> float | None:
        """Since when a vector store may be there that is not noted (seconds since 1970)."""
        key = self._keys.attached(thread_id)
        return lenient.number(await self._json(key, VECTOR_STORE_BEGUN_FIELD)) or None

    async def message_notes(
        self, thread_id: str, message_ids: Sequence[str]
    ) -> dict[str, MessageNote]:
        """What is kept beside a thread's messages, by their ids; most have nothing."""
        if not message_ids:
            return {}
        stored = await self._runner.command(*self.notes_command(thread_id, message_ids))
        return read_notes(message_ids, stored)

    def notes_command(self, thread_id: str, message_ids: Sequence[str]) -> tuple[str, ...]:
        """The command that asks for what is kept beside messages; see `read_notes`."""
        names = (name for id in message_ids for name in (failures_field(id), metadata_field(id)))
        return ("HMGET", self._keys.attached(thread_id), *names)

    async def failures(
        self, thread_id: str, message_ids: Sequence[str]
    ) -> dict[str, dict[str, FileFailure]]:
        """Which attached files cannot be used: by message, then by file."""
        notes = await self.message_notes(thread_id, message_ids)
        return {id: note.failures for id, note in notes.items() if note.failures is not None}

    async def _note(self, thread_id: str, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self._json(self._keys.attached(thread_id), name)
        return found

    async def _json(self, key: str, name: str) -> Any:
        stored = await self._runner.command("HGET", key, name)
        return None if stored is None else from_json(stored)

    async def read_file(self, key: str, file_id: str) -> FileContent | None:
        """A file in the hash `key`; None if it is not there."""
        stored = await self._runner.command("HGET", key, file_id)
        if stored is None:
            return None
        try:
            return await self._read_pieces(key, file_id, from_json(stored))
        except (ValueError, KeyError, TypeError):  # who has damaged it is not known
            return None

    async def _read_pieces(
        self, key: str, file_id: str, known: dict[str, Any]
    ) -> FileContent | None:
        pieces = []
        for number in range(known["pieces"]):
            [piece] = await self._runner.commands([("HGET", key, f"{file_id}/{number}")])
            if piece is None:  # it was deleted meanwhile
                return None
            pieces.append(base64.b64decode(piece))
        # Whoever writes into a folder trusts nobody who can write into Redis.
        return FileContent(file_id, harmless_name(known["name"]), b"".join(pieces))


def _spans(found: object) -> tuple[tuple[int, int], ...]:
    spans = found if isinstance(found, list) else []
    return tuple(filter(None, map(_span, spans)))


def _span(found: object) -> tuple[int, int] | None:
    match found:
        case [int(first), int(last)]:
            return first, last
        case _:
            return None


def _read_info(file_id: str, stored: str | None) -> FileInfo | None:
    try:
        known = from_json(stored or "")
        name = harmless_name(known["name"])
        return FileInfo(file_id, name, int(known["bytes"]), known["image"])
    except (ValueError, KeyError, TypeError):  # it is not there, or damaged
        return None


def _read_failures(note: str) -> dict[str, FileFailure]:
    found = lenient.json_object(from_json(note))
    return {file_id: FileFailure.read(stored) for file_id, stored in found.items()}
