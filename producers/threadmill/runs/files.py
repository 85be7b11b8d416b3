"""Uploading, listing and downloading files: what callers pass is checked before anything is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from threadmill.client.current import current_client
from threadmill.runs.attachments import read_path
from threadmill.runs.checks import check_order
from threadmill.runs.downloads import save
from threadmill_shared import errors, ids
from threadmill_shared.records.files import UploadedFile
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.records.texts import check_text

PURPOSES = ("assistants", "vision", "user_data", "batch", "fine-tune", "evals")
"""Those of the Assistants API's uploads."""
SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000
"""Seconds that a file that expires can have."""
LONGEST_PAGE_OF_FILES = 10_000


async def upload_file(path: Any, purpose: Any, expires_after: Any) -> UploadedFile:
    """Store a file, as `File.upload` does.

    Raises:
        BadFile: it cannot be read, or is empty.
        TooLarge: it is larger than `THREADMILL_FILE_BYTES`.
        TypeError, ValueError: a value is not one that it may be.
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"path must be a str or a Path, not {type(path).__name__}.")
    check_text(str(path), "A path")
    _check_purpose(purpose)
    _check_number(expires_after, "expires_after", SHORTEST_LIFE, LONGEST_LIFE)
    client = current_client()
    read = asyncio.to_thread(read_path, str(path), client.settings, errors.BadFile)
    file = replace(await client.call(read), id=ids.new_file_id())
    stored: UploadedFile = await client.call(
        client.store.uploaded_files.upload(file, purpose=purpose, lifetime=expires_after)
    )
    return stored


async def file_page(purpose: Any, limit: Any, order: Any, cursor: Any) -> OrderedPage[UploadedFile]:
    """A page of the uploaded files, as `File.list` has it.

    Raises:
        FileNotFound: the cursor is not the id of a file.
        TypeError, ValueError: a value is not one that it may be.
    """
    if purpose is not None:
        _check_purpose(purpose)
    if limit is None:
        raise TypeError("limit must be an int, not NoneType.")
    _check_number(limit, "limit", 1, LONGEST_PAGE_OF_FILES)
    check_order(order)
    client = current_client()
    query = PageQuery(limit, order, after=cursor)
    page: OrderedPage[UploadedFile] = await client.call(
        client.store.uploaded_files.page(query, purpose)
    )
    return page


async def download_uploaded(file_id: str, folder: str | Path) -> Path:
    """Write an uploaded file into a folder; returns its path.

    Raises:
        FileNotFound: it was deleted, or has expired.
        OSError: the folder cannot be written to.
    """
    client = current_client()
    file = await client.call(client.store.uploaded_files.content(file_id))
    path: Path = await client.call(asyncio.to_thread(save, file, Path(folder)))
    return path


def _check_purpose(purpose: Any) -> None:
    if purpose not in PURPOSES:
        raise ValueError(f"purpose must be one of {', '.join(PURPOSES)}, not {purpose!r}.")


def _check_number(value: Any, name: str, least: int, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}.")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}.")
