"""Files that a run has made, written into a folder of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadmill_shared import errors
from threadmill_shared.records.files import FileContent, distinct_names

if TYPE_CHECKING:
    from threadmill.client.client import Client


async def download(client: Client, run_id: str, folder: str | Path) -> list[Path]:
    """Write a run's files into a folder, which is created if it is missing; returns their paths.

    Raises:
        RunLost: the run's keys are gone.
        OSError: the folder cannot be written to.
    """
    if await client.call(client.store.runs.record(run_id)) is None:
        raise errors.RunLost(f"The record of {run_id} is gone, and with it its files.")
    paths = []
    for file in await client.call(client.store.files.produced(run_id)):
        path = await download_file(client, run_id, file.id, folder)
        if path is not None:
            paths.append(path)
    return sorted(paths)


@dataclass(frozen=True)
class MadeFile:
    """A file that a run's code created, and its place on this machine."""

    name: str
    path: Path | None = None
    """None: it is not on this machine."""
    problem: str = ""
    """Why it is not; empty if it is."""


async def download_attachment(
    client: Client, run_id: str, attachment: Mapping[str, Any], folder: Path
) -> MadeFile | None:
    """Write an attachment of an assistant's message into a folder; raises no error.

    Returns:
        The file, with its path or with the problem; None: the run no longer has it.
    """
    name = str(attachment.get("filename"))
    if attachment["file_id"] is None:
        return MadeFile(name, problem=f"was not kept: {attachment.get('error')}")
    try:
        path = await download_file(client, run_id, attachment["file_id"], folder)
    except (OSError, errors.ThreadmillError) as error:
        return MadeFile(name, problem=f"could not be downloaded ({type(error).__name__})")
    return None if path is None else MadeFile(name, path.resolve())


async def download_file(
    client: Client, run_id: str, file_id: str, folder: str | Path
) -> Path | None:
    """Write one file of a run into a folder; None if it is gone."""
    file = await client.call(client.store.files.read_produced(run_id, file_id))
    if file is None:
        return None
    path: Path = await client.call(asyncio.to_thread(save, file, Path(folder)))
    return path


def save(file: FileContent, folder: Path) -> Path:
    """Write a file under its name, or a similar one: existing files are not overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in distinct_names(file.name):
        path = folder / name
        try:
            with path.open("xb") as out:
                out.write(file.content)
        except FileExistsError:
            if not path.is_file() or path.read_bytes() != file.content:
                continue
        return path
    raise AssertionError("names do not end")
