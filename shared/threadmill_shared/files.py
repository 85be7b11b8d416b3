"""Files that runs make and users attach: their names, and how they lie in the store.

Redis holds texts here, so a file's bytes are Base64: a third more than the file itself. They go in
round trips of their own, and never hold up the tokens of other runs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from threadmill_shared.reading import StoreReader

_NAME_CHARACTERS = 100
_HARMFUL = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u202a-\u202e\u2066-\u2069]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)


@dataclass(frozen=True, slots=True)
class File:
    """A file with its content."""

    id: str
    name: str
    """Harmless: without folders, and with nothing that a shell or a terminal would obey."""
    content: bytes

    def encoded(self) -> str:
        """As it is stored under its id."""
        data = base64.b64encode(self.content).decode()
        return to_json({"name": self.name, "data": data}).decode()

    @classmethod
    def read(cls, id: str, stored: str) -> File:
        """Build it from what is stored."""
        fields = from_json(stored)
        return cls(id, fields["name"], base64.b64decode(fields["data"]))


def harmless_name(name: str, otherwise: str = "file") -> str:
    """A name that can be used in a folder, whatever was given: only its last part, cleaned."""
    last = re.split(r"[/\\]", name)[-1]
    cleaned = _HARMFUL.sub("_", last.encode(errors="replace").decode()).strip(" .")
    if not cleaned or _RESERVED.match(cleaned):
        cleaned = f"{otherwise}_{cleaned}" if cleaned else otherwise
    stem, dot, ending = cleaned.rpartition(".")
    if len(cleaned) > _NAME_CHARACTERS and dot and len(ending) < 20:
        return f"{stem[: _NAME_CHARACTERS - len(ending) - 1]}.{ending}"
    return cleaned[:_NAME_CHARACTERS]


def distinct_names(name: str) -> Iterator[str]:
    """The name, then `name-1`, `name-2`, ... with the same ending."""
    yield name
    stem, dot, ending = name.rpartition(".")
    number = 0
    while True:
        number += 1
        yield f"{stem}-{number}.{ending}" if dot and stem else f"{name}-{number}"


def image_type(content: bytes) -> str | None:
    """`png`, `jpeg`, `gif` or `webp`, told by the content; None: it is no such image."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for begin, kind in _IMAGES if content.startswith(begin)), None)


async def produced_ids(store: StoreReader, run_id: str) -> list[str]:
    """The ids of the files that a run has made."""
    return sorted(await store.read("HKEYS", store.keys.files(run_id)))


async def produced_file(store: StoreReader, run_id: str, file_id: str) -> File | None:
    """A file that a run has made; None where it is gone."""
    # A round trip of its own: what others read and write meanwhile does not wait for its bytes.
    [stored] = await store.gather([("HGET", store.keys.files(run_id), file_id)])
    return File.read(file_id, stored) if stored else None
