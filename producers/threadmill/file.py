"""Files that are uploaded once, and named by messages of any thread."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from threadmill import runs
from threadmill.client.current import current_client
from threadmill.client.operations import awaitable, blocking, drive, drive_async
from threadmill_shared.records.files import UploadedFile
from threadmill_shared.records.page import Order, Page


@dataclass(frozen=True)
class File:
    """A file that was uploaded. Messages name it by its id, in place of a path.

    A message that names it has a copy: the file can be deleted afterwards.
    """

    id: str
    filename: str
    bytes: int
    purpose: str
    created_at: int
    """Seconds since the epoch, like the next one."""
    expires_at: int | None = None
    """None: it stays until it is deleted."""

    @classmethod
    def upload(
        cls, path: str | Path, purpose: str = "assistants", expires_after: int | None = None
    ) -> Self:
        """Store a file.

        Args:
            path: the file.
            purpose: `assistants`, `vision`, `user_data`, `batch`, `fine-tune` or `evals`; all of
                them are stored alike.
            expires_after: seconds until it is deleted, 3,600 to 2,592,000 (30 days); None: it
                stays.

        Raises:
            BadFile: it cannot be read, or is empty.
            TooLarge: it is larger than `THREADMILL_FILE_BYTES`.
            TypeError, ValueError: a value is not one that it may be.
            StoreFull: Redis has no room for it.
        """
        return drive(cls._upload(path, purpose, expires_after))

    @classmethod
    async def upload_async(
        cls, path: str | Path, purpose: str = "assistants", expires_after: int | None = None
    ) -> Self:
        """Async version of `upload`."""
        return await drive_async(cls._upload(path, purpose, expires_after))

    @classmethod
    async def _upload(cls, path: str | Path, purpose: str, expires_after: int | None) -> Self:
        return cls._of(await runs.files.upload_file(path, purpose, expires_after))

    @classmethod
    def load(cls, id: str) -> Self:
        """The file that was uploaded under this id.

        Raises:
            FileNotFound: there is none: it was never uploaded, was deleted, or has expired.
        """
        return drive(cls._load(id))

    @classmethod
    async def load_async(cls, id: str) -> Self:
        """Async version of `load`."""
        return await drive_async(cls._load(id))

    @classmethod
    async def _load(cls, id: str) -> Self:
        client = current_client()
        return cls._of(await client.call(client.store.uploaded_files.find(id)))

    @classmethod
    def list(
        cls,
        *,
        purpose: str | None = None,
        limit: int = 20,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> Page[Self]:
        """A page of the uploaded files, newest first unless `order` is `asc`.

        Args:
            purpose: only files for this purpose.
            limit: how many, 1 to 10,000.
            order: `asc`, oldest first, or `desc`, newest first.
            cursor: the `cursor` of the page before, or the id of a file to continue behind.

        Raises:
            FileNotFound: the cursor is not the id of a file.
            TypeError, ValueError: a value is not one that it may be.
        """
        return drive(cls._list(purpose=purpose, limit=limit, order=order, cursor=cursor))

    @classmethod
    async def list_async(
        cls,
        *,
        purpose: str | None = None,
        limit: int = 20,
        order: Order = "desc",
        cursor: str | None = None,
    ) -> Page[Self]:
        """Async version of `list`."""
        return await drive_async(
            cls._list(purpose=purpose, limit=limit, order=order, cursor=cursor)
        )

    @classmethod
    async def _list(
        cls, *, purpose: str | None, limit: int, order: Order, cursor: str | None
    ) -> Page[Self]:
        page = await runs.files.file_page(purpose, limit, order, cursor)
        behind = page.data[-1].id if page.has_more else None
        return Page([cls._of(one) for one in page.data], behind, incomplete=False)

    @classmethod
    def _of(cls, stored: UploadedFile) -> Self:
        return cls(
            id=stored.id,
            filename=stored.name,
            bytes=stored.bytes,
            purpose=stored.purpose,
            created_at=stored.created_at,
            expires_at=stored.expires_at,
        )

    async def _content(self) -> builtins.bytes:
        """The file's content.

        Raises:
            FileNotFound: it was deleted, or has expired.
        """
        client = current_client()
        content: builtins.bytes = (
            await client.call(client.store.uploaded_files.content(self.id))
        ).content
        return content

    content = blocking(_content)
    content_async = awaitable(_content)

    async def _download(self, folder: str | Path = ".") -> Path:
        """Write the file into a folder, which is created if it is missing; returns its path.

        An existing file is not overwritten: then the name gets a number.

        Raises:
            FileNotFound: it was deleted, or has expired.
            OSError: the folder cannot be written to.
        """
        return await runs.files.download_uploaded(self.id, folder)

    download = blocking(_download)
    download_async = awaitable(_download)

    async def _delete(self) -> None:
        """Delete the file; it is not an error if it is already deleted.

        Messages that name it keep their copies.
        """
        client = current_client()
        await client.call(client.store.uploaded_files.delete(self.id))

    delete = blocking(_delete)
    delete_async = awaitable(_delete)
