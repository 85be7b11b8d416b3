"""Files that a run has made, written into a folder of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from threadmill.client.client import Client
from threadmill_shared import errors
from threadmill_shared.records.files import File, distinct_names
from threadmill_shared.store.files import produced_files, read_file


async def download(client: Client, run_id: str, folder: str | Path) -> list[Path]:
    """Write a run's files into a folder, which is made if need be; returns their paths.

    Raises:
        RunLost: the run's keys are gone.
        OSError: the folder cannot be written to.
    """
    if await client.hop(client.store.record(run_id)) is None:
        raise errors.RunLost(f"The record of {run_id} is gone, and with it its files.")
    paths = []
    for file in await client.hop(produced_files(client.store, run_id)):
        path = await download_file(client, run_id, file.id, folder)
        if path is not None:
            paths.append(path)
    return sorted(paths)


async def download_file(
    client: Client, run_id: str, file_id: str, folder: str | Path
) -> Path | None:
    """Write one file of a run into a folder; None where it is gone."""
    key = client.store.keys.files(run_id)
    file = await client.hop(read_file(client.store, key, file_id))
    if file is None:
        return None
    path: Path = await client.hop(asyncio.to_thread(save, file, Path(folder)))
    return path


def save(file: File, folder: Path) -> Path:
    """Write a file under its name, or one like it: nothing that is there is overwritten."""
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
