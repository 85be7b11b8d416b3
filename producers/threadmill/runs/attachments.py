"""Files that a message attaches: read and checked here, before anything is written."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadmill_shared import errors, ids
from threadmill_shared.records.attachments import NOTHING, Attached
from threadmill_shared.records.files import (
    MOST_IMAGE_BYTES,
    FileContent,
    data_url_bytes,
    harmless_name,
    image_type,
)
from threadmill_shared.records.texts import check_text
from threadmill_shared.run_request import check_hosted
from threadmill_shared.settings import Settings

if TYPE_CHECKING:
    from threadmill.client.client import Client

MOST_FILES = 20
"""Files and images of one message."""

Files = Sequence[str | Path] | None


async def read_files(
    client: Client, code_interpreter_files: Files, file_search_files: Files, image_files: Files
) -> Attached:
    """Read what a message attaches.

    Raises:
        TypeError: one of them is not a list of paths.
        BadMessage: a file cannot be read, is empty, or must be an image and is not one.
        FileNotFound: there is no uploaded file with an id that is given in place of a path.
        TooLarge: there are too many, one is larger than `THREADMILL_FILE_BYTES`, or the images are
            together larger than a request can be.
        Unsupported: the provider has no hosted tools that could read it.
    """
    given = {
        "code_interpreter": _checked("code_interpreter_files", code_interpreter_files),
        "file_search": _checked("file_search_files", file_search_files),
    }
    images = _checked("image_files", image_files)
    count = sum(map(len, given.values())) + len(images)
    if not count:
        return NOTHING
    if count > MOST_FILES:
        raise errors.TooLarge(f"A message has {count} files; {MOST_FILES} are allowed.")
    for tool, paths in given.items():
        if paths:
            check_hosted(f"{tool}_files", client.settings)
    uploaded = {
        file: await client.call(client.store.uploaded_files.content(file))
        for file in dict.fromkeys([*chain(*given.values()), *images])
        if ids.is_uploaded_file_id(file)
    }
    read = _Reader(uploaded, client.settings)
    found: Attached = await client.call(asyncio.to_thread(read.all, given, images))
    return found


def _checked(name: str, files: Any) -> list[str]:
    if files is None:
        return []
    if isinstance(files, str | bytes | Path) or not isinstance(files, Sequence):
        raise TypeError(f"{name} must be a list of paths, even if there is only one: [path].")
    for file in files:
        if not isinstance(file, str | Path):
            raise TypeError(f"{name} must be a list of paths, not of {type(file).__name__}.")
        check_text(str(file), f"A path in {name}")
    return [str(file) for file in files]


class _Reader:
    """Reads what one message attaches."""

    def __init__(self, uploaded: Mapping[str, FileContent], settings: Settings) -> None:
        """Nothing is read yet; `uploaded` are the files that are named by ids."""
        self._uploaded = uploaded
        self._settings = settings
        self._files: dict[str, FileContent] = {}

    def all(self, given: Mapping[str, list[str]], images: list[str]) -> Attached:
        """Files for tools, and images."""
        tools: dict[str, list[dict[str, str]]] = {}
        for tool, files in given.items():
            for one in files:
                file = self._file(one)
                if {"type": tool} not in tools.setdefault(file.id, []):
                    tools[file.id].append({"type": tool})
        parts = [self._image(image) for image in images]
        _check_size(parts, self._files)
        attachments = [
            {
                "file_id": id,
                "tools": used_by,
                "filename": self._files[id].name,
                "bytes": len(self._files[id].content),
            }
            for id, used_by in tools.items()
        ]
        return Attached(tuple(self._files.values()), tuple(attachments), tuple(parts))

    def _file(self, path_or_id: str) -> FileContent:
        file = self._uploaded.get(path_or_id) or read_path(
            path_or_id, self._settings, errors.BadMessage
        )
        self._files[file.id] = file
        return file

    def _image(self, image: str) -> dict[str, Any]:
        if image.startswith("https://"):
            return {"type": "image_url", "image_url": {"url": image}}
        if "://" in image[:10]:
            raise errors.BadMessage(
                f"An image must be a path, an uploaded file's id, or a URL that begins with "
                f"https://, not {image!r}."
            )
        file = self._file(image)
        if image_type(file.content) is None:
            raise errors.BadMessage(f"{image!r} must be a PNG, JPEG, GIF or WebP image.")
        return {"type": "image_file", "image_file": {"file_id": file.id}}


def _check_size(parts: list[dict[str, Any]], files: dict[str, FileContent]) -> None:
    ids = [part["image_file"]["file_id"] for part in parts if part["type"] == "image_file"]
    size = sum(data_url_bytes(len(files[id].content)) for id in ids)
    if size > MOST_IMAGE_BYTES:
        raise errors.TooLarge(
            f"The images of a message are {size:,} bytes as data URLs; {MOST_IMAGE_BYTES:,} are "
            "allowed, since providers take no larger requests. Make the images smaller, or "
            "distribute them over several turns."
        )


def _content(path: str, most: int) -> bytes:
    if not Path(path).is_file() and Path(path).exists():  # a pipe would be waited for
        raise OSError(errno.EINVAL, "it is not a file")
    with Path(path).open("rb") as opened:
        return opened.read(most)


def read_path(path: str, settings: Settings, error: type[errors.CallerError]) -> FileContent:
    """A file of this machine.

    Raises:
        CallerError: it cannot be read, or is empty: an `error`.
        TooLarge: it is larger than `THREADMILL_FILE_BYTES`.
    """
    try:
        content = _content(path, settings.file_bytes + 1)
    except OSError as failed:
        raise error(f"{path!r} cannot be read: {failed.strerror}.") from failed
    except ValueError as failed:
        raise error(f"{path!r} is not a path: {failed}.") from failed
    if not content:
        raise error(f"{path!r} is empty.")
    if len(content) > settings.file_bytes:
        raise errors.TooLarge(
            f"{path!r} is larger than THREADMILL_FILE_BYTES allows ({settings.file_bytes})."
        )
    name = harmless_name(path)
    return FileContent(ids.attached_file_id(name, content), name, content)
