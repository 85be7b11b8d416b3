"""Files that runs make and users attach: their names, and what is stored of them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from threadmill_shared.records import lenient

MOST_IMAGE_BYTES = 48_000_000
"""Of data URLs in one message, and in one request. OpenAI takes 50 MB a request (guide "Images and
vision"), and the texts need room, too."""
_PIECE = 256 * 1024
"""Bytes per command."""
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
class FileContent:
    """A file with its content."""

    id: str
    name: str
    """Safe: without folders and characters that would control a shell or a terminal."""
    content: bytes

    def fields(self) -> Iterator[tuple[str, str]]:
        """The fields of the hash that holds it, in the order in which they must be written."""
        count = 0
        for at in range(0, len(self.content), _PIECE):
            piece = base64.b64encode(self.content[at : at + _PIECE]).decode()
            yield f"{self.id}/{count}", piece
            count += 1
        info = {
            "name": self.name,
            "pieces": count,
            "bytes": len(self.content),
            "image": image_type(self.content),
        }
        yield self.id, to_json(info).decode()


def harmless_name(name: str, otherwise: str = "file") -> str:
    """A safe file name, whatever was given: only the last part, cleaned."""
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
    """`png`, `jpeg`, `gif` or `webp`, according to the content; None: it is none of these."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for begin, kind in _IMAGES if content.startswith(begin)), None)


def data_url_bytes(count: int) -> int:
    """The length of an image of `count` bytes as a data URL, without the few bytes of its head."""
    return (count + 2) // 3 * 4


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A stored file without its content."""

    id: str
    name: str
    bytes: int
    image: str | None
    """Its type, if it is an image."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """What is stored of a file that a user has uploaded, besides its content."""

    id: str
    name: str
    bytes: int
    purpose: str
    """What its uploader wants it for, in the Assistants API's words."""
    created_at: int
    """Seconds since the epoch, like the next one."""
    expires_at: int | None = None
    """None: it stays until it is deleted."""
    image: str | None = None
    """Its type, if it is an image."""

    @classmethod
    def of(cls, file_id: str, known: Mapping[str, Any]) -> UploadedFile:
        """The file, from what is stored of it.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        return cls(
            id=file_id,
            name=harmless_name(known["name"]),
            bytes=int(known["bytes"]),
            purpose=lenient.text(known["purpose"]),
            created_at=int(known["created_at"]),
            expires_at=lenient.whole_number(known.get("expires_at")),
            image=known["image"],
        )


@dataclass(frozen=True, slots=True)
class Upload:
    """What is noted of an attached file that was uploaded to the provider."""

    id: str
    """The provider's."""
    until: float
    """When the provider deletes it, in seconds since 1970."""


@dataclass(slots=True)
class ThreadVectorStore:
    """What is noted of the vector store that a thread has at the provider."""

    id: str
    files: list[str] = field(default_factory=list)
    """The provider's ids of the files in it."""
    pending: list[str] = field(default_factory=list)
    """Those of them of which it is not known yet whether they can be searched."""

    def note(self) -> dict[str, Any]:
        """What is stored of it."""
        pending = {"pending": self.pending} if self.pending else {}
        return {"id": self.id, "files": self.files, **pending}


@dataclass(frozen=True, slots=True)
class FileFailure:
    """Why something does not get a file that a message attaches."""

    uses: tuple[str, ...]
    """Types of the tools that do not get it; `image` if the model does not see it."""
    reason: str
    provider_id: str = ""
    """The provider's id of the upload that it cannot search."""
    is_late: bool = False
    """Whether the provider may be able to search it after all, since it had not finished."""

    @classmethod
    def read(cls, note: object) -> FileFailure:
        """The failure that was stored as `note`."""
        stored = lenient.json_object(note)
        return cls(
            uses=tuple(lenient.texts(stored.get("uses"))),
            reason=lenient.text(stored.get("error")),
            provider_id=lenient.text(stored.get("provider_id")),
            is_late=stored.get("late") is True,
        )

    def note(self) -> dict[str, Any]:
        """What is stored of it."""
        note: dict[str, Any] = {"uses": list(self.uses), "error": self.reason}
        if self.provider_id:
            note["provider_id"] = self.provider_id
        return note | {"late": True} if self.is_late else note
