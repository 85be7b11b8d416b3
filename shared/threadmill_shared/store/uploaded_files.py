"""Files that users upload, which messages can name: they belong to the namespace, not to a thread.

A file is a hash in the bucket that its id names, in pieces as the files beside threads are. The
last field that is written says what it is; until then its pieces expire.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared import errors, ids
from threadmill_shared.records.client_request import ClientRequest
from threadmill_shared.records.files import FileContent, UploadedFile
from threadmill_shared.records.list_filters import Span
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.store.files import Files
from threadmill_shared.store.index_cleaner import IndexCleaner
from threadmill_shared.store.index_names import ALL_FILES
from threadmill_shared.store.index_pages import read_index_page
from threadmill_shared.store.index_reader import IndexReader, Position
from threadmill_shared.store.message_files import with_files
from threadmill_shared.store.replies import refuse_other_content
from threadmill_shared.store.scripts.files import FileScripts
from threadmill_shared.store.scripts.lists import delete_listed
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.session import Session

TRIES = 3
"""How often the pieces of a file are written if some are gone or of another file."""
STEP = 200
"""Entries whose records are read at once if only some of them are wanted."""


class UploadedFiles:
    """The uploaded files of one namespace."""

    def __init__(self, session: Session, files: Files) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._files = files
        self._scripts = FileScripts(session.keys)
        self._cleaner = IndexCleaner(session)

    async def upload(
        self,
        file: FileContent,
        *,
        purpose: str,
        lifetime: int | None = None,
        request: ClientRequest | None = None,
    ) -> UploadedFile:
        """Store a file.

        The same file under the same id is stored once: a caller that does not know whether it was
        stored can repeat the call. An id belongs to one content.

        Args:
            file: the file, with an id of `new_file_id`.
            purpose: what it is for.
            lifetime: seconds after which it is deleted; None: it stays.
            request: the client's request. If an earlier try of it has stored the file, that one is
                returned.

        Raises:
            IdempotencyMismatch: another file has this id, or the request's key was used with
                another one.
            StoreFull: Redis has no room for it.
            StoreUnavailable: Redis does not answer.
        """
        await self._session.memory_guard.refuse_when_full()
        at = await self._session.server_time()
        *pieces, (_, info) = file.fields()
        told = from_json(info) | _described(file, purpose, int(float(at)), lifetime)
        expires_at = told["expires_at"]
        create = self._scripts.create_file(
            file_id=file.id,
            info=to_json(told).decode(),
            pieces=len(pieces),
            at=at,
            expires_at="" if expires_at is None else expires_at * 1000,
            request=request.digest if request else "",
            requested=request.encoded() if request else "",
        )
        outcome, *found = await self._write_whole(file.id, pieces, create)
        refuse_other_content([outcome, *found])
        if outcome == "incomplete":
            raise _other_file(file.id)
        if outcome == "same":
            told |= _described(file, purpose, int(float(found[1])), lifetime)
            return UploadedFile.of(found[0], told)
        known = from_json(found[0]) if outcome == "exists" else told
        if any(known.get(name) != told[name] for name in ("name", "digest", "purpose")):
            raise _other_file(file.id)
        return UploadedFile.of(file.id, known)

    async def _write_whole(
        self, file_id: str, pieces: Sequence[tuple[str, str]], create: ScriptCall
    ) -> list[str]:
        """Write the pieces, and make the file of them; returns the reply.

        They are written again if some are gone: a failover has lost them, or an hour has passed.
        """
        for _ in range(TRIES):
            await self._write(file_id, pieces)
            reply = await self._runner.run(create)
            if reply[0] != "incomplete":
                break
        return reply

    async def _write(self, file_id: str, pieces: Sequence[tuple[str, str]]) -> None:
        for name, value in pieces:
            call = self._scripts.write_piece(file_id=file_id, field=name, value=value)
            [outcome] = await self._runner.run_apart(call)
            if outcome == "complete":
                return

    async def find(self, file_id: str) -> UploadedFile:
        """What is stored of a file.

        Raises:
            FileNotFound: there is none with this id.
        """
        [found] = await self._read([_checked(file_id)])
        if found is None:
            raise file_not_found(file_id)
        return found

    async def content(self, file_id: str) -> FileContent:
        """A file with its content.

        Raises:
            FileNotFound: there is none with this id.
        """
        found = await self._files.read_file(self._keys.file(_checked(file_id)), file_id)
        if found is None:
            raise file_not_found(file_id)
        return found

    async def supply(self, messages: Sequence[NewMessage]) -> tuple[NewMessage, ...]:
        """New messages with the files that they name by ids of uploads; see `with_files`."""
        return await with_files(messages, self.content)

    async def was_deleted(self, file_id: str) -> bool:
        """Whether a file of this id was deleted in the last ten minutes."""
        if not ids.is_uploaded_file_id(file_id):
            return False
        return bool(await self._runner.command("EXISTS", self._keys.deleted_file(file_id)))

    async def delete(self, file_id: str) -> bool:
        """Delete a file; False if there is none. Messages that name it have copies of their own."""
        if not ids.is_uploaded_file_id(file_id):
            return False
        call = delete_listed(
            record=self._keys.file(file_id),
            index=self._keys.all_files(file_id),
            deleted=self._keys.deleted_file(file_id),
            id=file_id,
            delete_id=secrets.token_hex(8),
        )
        [outcome] = await self._runner.run(call)
        return bool(outcome != "gone")

    async def page(self, query: PageQuery, purpose: str | None = None) -> OrderedPage[UploadedFile]:
        """A page of the files, by the time at which they were uploaded.

        One that was deleted in the last ten minutes can be a cursor, too.

        Args:
            query: which page.
            purpose: only files for this purpose.

        Raises:
            FileNotFound: a cursor is not the id of a file.
            StoreUnavailable: Redis does not answer.
        """

        async def read(entries: Sequence[Position]) -> Sequence[UploadedFile | None]:
            found = await self._listed(entries)
            return [one if one and purpose in (None, one.purpose) else None for one in found]

        reader = IndexReader(self._session, [ALL_FILES], Span(), ascends=query.ascends)
        older, newer = [await self._place(id) for id in query.ends]
        least = 0 if purpose is None else STEP
        return await read_index_page(reader, query, (older, newer), read, least=least)

    async def _listed(self, entries: Sequence[Position]) -> Sequence[UploadedFile | None]:
        """The files; entries of those that have expired are removed."""
        found = await self._read([entry.id for entry in entries])
        gone = [one.id for one, file in zip(entries, found, strict=True) if file is None]
        await self._cleaner.remove([ALL_FILES], gone)
        return found

    async def _read(self, file_ids: Sequence[str]) -> list[UploadedFile | None]:
        commands = [("HGET", self._keys.file(id), id) for id in file_ids]
        stored = await self._runner.commands(commands)
        return [_read_info(id, info) for id, info in zip(file_ids, stored, strict=True)]

    async def _place(self, file_id: str | None) -> Position | None:
        """Where a file stands among all."""
        if file_id is None:
            return None
        place, note = await self._runner.commands(
            [
                ("ZSCORE", self._keys.all_files(_checked(file_id)), file_id),
                ("GET", self._keys.deleted_file(file_id)),
            ]
        )
        if place is None and note is None:
            raise file_not_found(file_id)
        return Position(float(note.rpartition(" ")[2] if place is None else place), file_id)


def _described(
    file: FileContent, purpose: str, created_at: int, lifetime: int | None
) -> dict[str, Any]:
    """What is stored of an upload besides what is stored of any file."""
    return {
        "purpose": purpose,
        "created_at": created_at,
        "expires_at": None if lifetime is None else created_at + lifetime,
        "digest": hashlib.sha256(file.content).hexdigest(),
    }


def _other_file(file_id: str) -> errors.IdempotencyMismatch:
    return errors.IdempotencyMismatch(
        f"Another file was uploaded as {file_id}. Use a new id for a new file."
    )


def file_not_found(file_id: str) -> errors.FileNotFound:
    """The error for an id without a file."""
    return errors.FileNotFound(
        f"There is no file {file_id}: it was never uploaded, was deleted, or has expired."
    )


def _checked(file_id: str) -> str:
    if not isinstance(file_id, str) or not ids.is_uploaded_file_id(file_id):
        raise errors.FileNotFound(f"{file_id!r} is not the id of an uploaded file.")
    return file_id


def _read_info(file_id: str, stored: str | None) -> UploadedFile | None:
    try:
        return None if stored is None else UploadedFile.of(file_id, from_json(stored))
    except (ValueError, KeyError, TypeError):  # who has damaged it is not known
        return None
