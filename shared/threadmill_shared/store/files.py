"""Files that runs make and users attach: their names, and how they lie in the store.

Redis holds texts here, so a file's bytes are Base64: a third more than the file itself. They go in
pieces, each in a round trip of its own: one large command would hold up the tokens of other runs,
in this process and in Redis. A file is there once its last field is, which names it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pydantic_core import from_json

from threadmill_shared.records.files import File, FileInfo, harmless_name

if TYPE_CHECKING:
    from threadmill_shared.store.reader import StoreReader


async def produced_files(store: StoreReader, run_id: str) -> list[FileInfo]:
    """The files that a run has made, by their ids."""
    key = store.keys.files(run_id)
    ids = sorted(field for field in await store.read("HKEYS", key) if "/" not in field)
    told = await store.gather([("HGET", key, id) for id in ids])
    found = ((id, from_json(stored)) for id, stored in zip(ids, told, strict=True) if stored)
    return [FileInfo(id, known["name"], known["bytes"], known["image"]) for id, known in found]


async def read_file(store: StoreReader, key: str, file_id: str) -> File | None:
    """A file in a hash of the store; None where it is not there."""
    told = await store.read("HGET", key, file_id)
    if told is None:
        return None
    known, pieces = from_json(told), []
    for number in range(known["pieces"]):
        [piece] = await store.gather([("HGET", key, f"{file_id}/{number}")])
        if piece is None:  # it was deleted meanwhile
            return None
        pieces.append(base64.b64decode(piece))
    # Whoever writes into a folder trusts nobody who can write into Redis.
    return File(file_id, harmless_name(known["name"]), b"".join(pieces))
