"""Files that runs make and users attach: their names, and how they lie in the store.

Redis holds texts here, so a file's bytes are Base64: a third more than the file itself. They go in
pieces, each in a round trip of its own: one large command would hold up the tokens of other runs,
in this process and in Redis. A file is there once its last field is, which names it.
"""

from __future__ import annotations

import base64
from typing import Any

from pydantic_core import from_json

from threadmill_shared.records import lenient
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.files import (
    File,
    FileInfo,
    ThreadVectorStore,
    Upload,
    harmless_name,
)
from threadmill_shared.store.scripts.threads import ThreadScripts
from threadmill_shared.store.session import Session

VECTOR_STORE_FIELD = "store"
"""The field of a thread's files that notes its vector store."""
LEFT_OUT_FIELD = "left_out"
"""The field that notes what models did not take of the thread."""


def upload_field(file_id: str) -> str:
    """The field of a thread's files that notes the upload of one."""
    return f"{file_id}:at"


class Files:
    """The files of one namespace."""

    def __init__(self, session: Session) -> None:
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

    async def read_produced(self, run_id: str, file_id: str) -> File | None:
        """A file that a run has made; None if it is not there."""
        return await self._read(self._keys.files(run_id), file_id)

    async def read_attached(self, thread_id: str, file_id: str) -> File | None:
        """A file that is attached to a thread; None if it is not there."""
        return await self._read(self._keys.attached(thread_id), file_id)

    async def attach(self, thread_id: str, attached: Attached) -> None:
        """Put files beside a thread, before the message that names them.

        They stay if the message is refused: whoever tries again need not send them again, and
        they go with the thread.
        """
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
        return None if found is None else ThreadVectorStore(found["id"], found["files"])

    async def left_out(self, thread_id: str) -> dict[str, dict[str, int]]:
        """For each model, positions up to which something of the thread is left out, by kind."""
        found = lenient.json_object(await self._note(thread_id, LEFT_OUT_FIELD))
        return {model: _positions(note) for model, note in found.items()}

    async def _note(self, thread_id: str, name: str) -> dict[str, Any] | None:
        key = self._keys.attached(thread_id)
        stored = await self._runner.command("HGET", key, name)
        return None if stored is None else from_json(stored)

    async def _read(self, key: str, file_id: str) -> File | None:
        stored = await self._runner.command("HGET", key, file_id)
        if stored is None:
            return None
        known, pieces = from_json(stored), []
        for number in range(known["pieces"]):
            [piece] = await self._runner.commands([("HGET", key, f"{file_id}/{number}")])
            if piece is None:  # it was deleted meanwhile
                return None
            pieces.append(base64.b64decode(piece))
        # Whoever writes into a folder trusts nobody who can write into Redis.
        return File(file_id, harmless_name(known["name"]), b"".join(pieces))


def _positions(note: object) -> dict[str, int]:
    found = {kind: lenient.whole_number(at) for kind, at in lenient.json_object(note).items()}
    return {kind: at for kind, at in found.items() if at is not None}
