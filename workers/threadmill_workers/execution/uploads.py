"""Attached files at the provider: each is uploaded once, as long as the provider keeps it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping, Sequence

from threadmill_shared import errors, ids
from threadmill_shared.model import FileRefused, ProviderFiles
from threadmill_shared.records.files import FileContent, FileFailure, Upload
from threadmill_shared.store.store import Store
from threadmill_workers.execution.file_failures import AttachedFile, FileFailures
from threadmill_workers.execution.held_run import HeldRun

SEARCH = "file_search"
_MARGIN_SECONDS = 3600
"""A file that the provider deletes within this time is uploaded again."""
_NOT_FOUND = 404
_FORGOTTEN = re.compile(
    r"\b(no such|not found|not exist|no longer|expired|deleted)\b", re.IGNORECASE
)


class Uploads:
    """The uploads of one run's thread."""

    def __init__(
        self, store: Store, held: HeldRun, provider: ProviderFiles, failures: FileFailures
    ) -> None:
        """Nothing is read yet.

        Args:
            store: where the files are.
            held: the run; through it the provider's ids are stored.
            provider: takes the files.
            failures: those of the thread's files; learns further ones.
        """
        self._store = store
        self._held = held
        self._provider = provider
        self._failures = failures
        self._thread_id = held.record.thread_id
        self._known: dict[str, str] = {}
        """The provider's ids, by ours."""
        self._fresh: set[str] = set()
        """Files that were uploaded just now."""

    def users_ids(self) -> Mapping[str, str]:
        """The ids of the files that users have uploaded, by the provider's."""
        return {
            provider_id: id
            for id, provider_id in self._known.items()
            if ids.is_uploaded_file_id(id)
        }

    async def give(self, files: Sequence[AttachedFile], use: str) -> dict[str, AttachedFile]:
        """Upload what has to be; returns the files without a failure, by the provider's ids.

        Raises:
            ModelError: the provider cannot be asked.
        """
        given: dict[str, AttachedFile] = {}
        for file in files:
            if self._failures.find(file, use) is None:
                id = await self._give(file)
                if id is not None:
                    given[id] = file
        return given

    async def repeat(self, file: AttachedFile) -> None:
        """Upload a file again.

        Raises:
            ModelError: the provider cannot be asked.
        """
        await self._upload(file)

    def is_forgotten(self, file: AttachedFile, error: FileRefused | errors.ModelRefused) -> bool:
        """Whether the provider says that it does not know an earlier upload any more."""
        if file.id in self._fresh:
            return False
        return error.status == _NOT_FOUND or _FORGOTTEN.search(error.reason) is not None

    async def _give(self, file: AttachedFile) -> str | None:
        """The provider's id of a file; None: it is refused."""
        if not ids.is_attached_file_id(file.id):
            return file.id  # it is the provider's own already
        if file.id not in self._known:
            noted = await self._store.files.upload(self._thread_id, file.id)
            if noted is None or not self._is_usable(file, noted):
                return await self._upload(file)
            self._known[file.id] = noted.id
        return self._known[file.id]

    def _is_usable(self, file: AttachedFile, noted: Upload) -> bool:
        if noted.id in self._failures.refused_ids(file):
            return False
        return noted.until > time.time() + _MARGIN_SECONDS

    async def _upload(self, file: AttachedFile) -> str | None:
        try:
            upload = await self._send(file)
        except FileRefused as error:
            failure = FileFailure(tuple(file.places), error.reason)
            await self._failures.add(file, failure, error.status)
            return None
        with contextlib.suppress(errors.StoreFull):  # then it is uploaded once more
            await self._held.note_upload(file.id, upload)
        self._known[file.id] = upload.id
        self._fresh.add(file.id)
        return upload.id

    async def _send(self, file: AttachedFile) -> Upload:
        stored = await self._read(file.id)
        is_searched = SEARCH in file.places
        id, until = await self._provider.upload(
            stored.name, stored.content, is_searched=is_searched
        )
        return Upload(id, until)

    async def _read(self, file_id: str) -> FileContent:
        """The file beside the thread, or one that a tool of the assistant names."""
        stored = await self._store.files.read_attached(self._thread_id, file_id)
        if stored is not None:
            return stored
        try:
            return await self._store.uploaded_files.content(file_id)
        except errors.FileNotFound:
            raise FileRefused("it is gone from Redis") from None
