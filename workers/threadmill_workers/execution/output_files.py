"""Files that a run's code has made: kept in the store, because producers have no provider key."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.model import ProviderFiles
from threadmill_shared.records.annotations import annotation_form
from threadmill_shared.records.files import FileContent, FileInfo, harmless_name, image_type
from threadmill_shared.records.items import Item
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

logger = logging.getLogger("threadmill.worker")

MAX_FILES = 50
"""Files of one run."""
_TOOLS = [{"type": "code_interpreter"}]

Json = dict[str, Any]


@dataclass
class Enclosed:
    """What goes with a message."""

    annotations: list[Json] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)

    def fields(self) -> Json | None:
        """The fields, as they are stored and logged; None if there is nothing."""
        found = {name: value for name, value in vars(self).items() if value}
        return found or None


class OutputFiles:
    """Keeps the files of one run, and attaches them to its next message."""

    def __init__(
        self, store: Store, held: HeldRun, provider: ProviderFiles | None, limit: int
    ) -> None:
        """Nothing is made yet.

        Args:
            store: where they are kept.
            held: whose files they are.
            provider: has them; None if it keeps no files.
            limit: bytes of one file.
        """
        self._store = store
        self._held = held
        self._run_id = held.record.id
        self._provider = provider
        self._limit = limit
        self._kept: set[str] = set()
        self._next = Enclosed()

    async def restore(self, items: Iterable[Item]) -> None:
        """Attach what an earlier attempt has kept, unless a message of these items has it."""
        if self._held.record.attempts < 2:
            return
        announced = {
            attachment["file_id"]
            for item in items
            if item["type"] == "message" and item["run_id"] == self._run_id
            for attachment in item.get("attachments", ())
        }
        for file in await self._store.files.produced(self._run_id):
            self._kept.add(file.id)
            if file.id not in announced:
                self._attach(file)

    async def keep_images(self, urls: Sequence[str]) -> list[Json]:
        """Keep what code has drawn; returns it as outputs in the Assistants API's shape."""
        outputs: list[Json] = []
        for url in urls:
            content = _decode_data_url(url)
            if content is None:
                self._note_missing("image", "it is not an image that can be read")
                continue
            name = f"image-{len(self._kept) + 1}.{image_type(content) or 'bin'}"
            file_id = await self._keep(name, content)
            if file_id is not None:
                outputs.append({"type": "image", "image": {"file_id": file_id}})
        return outputs

    def enclose(self, annotations: list[Json]) -> Enclosed:
        """What goes with a message that is whole and has these annotations."""
        enclosed, self._next = self._next, Enclosed()
        enclosed.annotations = annotations
        return enclosed

    def shows(self, annotation: Json) -> bool:
        """Whether the next message has the file of an annotation as an image."""
        return annotation.get("file_path", {}).get("file_id") in self._next.images

    async def annotation(self, cited: Json) -> Json | None:
        """A citation as it is stored, without its place; None: its file could not be kept.

        Args:
            cited: the citation, in the Responses API's form.
        """
        if cited.get("type") != "container_file_citation":
            return annotation_form(cited)
        file_id = await self._fetch(cited)
        if file_id is None:
            return None
        return {"type": "file_path", "file_path": {"file_id": file_id}}

    async def _fetch(self, cited: Json) -> str | None:
        name = harmless_name(cited.get("filename") or "", harmless_name(cited["file_id"]))
        if self._provider is None:
            self._note_missing(name, "this worker's provider keeps no files")
            return None
        try:
            content = await self._provider.fetch(
                cited["container_id"], cited["file_id"], self._limit
            )
        except errors.TooLarge:
            self._note_missing(name, self._too_large())
        except errors.ModelError as error:
            logger.warning("%s: a file could not be fetched: %s", self._run_id, error)
            self._note_missing(name, f"the provider did not give it ({type(error).__name__})")
        else:
            return await self._keep(name, content)
        return None

    async def _keep(self, name: str, content: bytes) -> str | None:
        file = FileContent(ids.produced_file_id(self._run_id, content), name, content)
        if len(content) > self._limit:
            self._note_missing(name, self._too_large())
            return None
        if file.id not in self._kept and len(self._kept) >= MAX_FILES:
            self._note_missing(name, f"a run keeps at most {MAX_FILES} files")
            return None
        try:
            await self._held.store_produced(file)
        except errors.StoreFull:
            self._note_missing(name, "Redis has no room for it")
            return None
        self._kept.add(file.id)
        self._attach(FileInfo(file.id, name, len(content), image_type(content)))
        return file.id

    def _attach(self, file: FileInfo) -> None:
        attachment: Json = {
            "file_id": file.id,
            "tools": _TOOLS,
            "filename": file.name,
            "bytes": file.bytes,
        }
        enclosed = self._next
        # An image that was drawn may be cited too, by its name: then that is what it is called.
        enclosed.attachments = [a for a in enclosed.attachments if a["file_id"] != file.id]
        enclosed.attachments.append(attachment)
        if file.image and file.id not in enclosed.images:
            enclosed.images.append(file.id)

    def _too_large(self) -> str:
        return f"it is larger than THREADMILL_FILE_BYTES allows ({self._limit})"

    def _note_missing(self, name: str, why: str) -> None:
        missing: Json = {"file_id": None, "tools": _TOOLS, "filename": name, "error": why}
        self._next.attachments.append(missing)


def _decode_data_url(url: str) -> bytes | None:
    """The bytes of a data URL."""
    head, comma, data = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64") or not comma:
        return None
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None
