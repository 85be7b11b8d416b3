"""Files that users have attached to messages: uploaded to the provider once, then named by its id.

Code reads them from its container; a search, from a vector store that the thread has at the
provider. Images are sent in each request. The provider deletes what has not been used for a while.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.hosted_tools import CodeInterpreter, FileSearch, HostedTool, WebSearch
from threadmill_shared.model import ProviderFiles
from threadmill_shared.records.files import File, ThreadVectorStore, Upload, image_type
from threadmill_shared.records.items import Item, MessageItem
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

_MARGIN_SECONDS = 3600
"""A file that the provider deletes within this time is uploaded again."""


class AttachedFiles:
    """The attached files of one run's thread."""

    def __init__(self, store: Store, held: HeldRun, provider: ProviderFiles | None) -> None:
        """Nothing is read yet.

        Args:
            store: where the files are.
            held: the run; through it the provider's ids are stored.
            provider: takes the files; None if it takes none.
        """
        self._store = store
        self._held = held
        self._provider = provider
        self._thread_id = held.record.thread_id
        self._images: dict[str, str] = {}
        self._known: dict[str, str] = {}
        """The provider's ids, by ours."""
        self._vector_store: ThreadVectorStore | None = None

    async def images(self, items: Sequence[Item]) -> Mapping[str, str]:
        """The images of users' messages, as data URLs by our ids.

        Raises:
            ModelRefused: an image is gone.
        """
        for message in _user_messages(items):
            for part in message["content"]:
                if part["type"] == "image_file":
                    await self._read_image(part["image_file"]["file_id"])
        return self._images

    async def tools(
        self, items: Sequence[Item], tools: Sequence[HostedTool]
    ) -> Sequence[HostedTool]:
        """The run's hosted tools, with the files that these messages attach for them.

        Raises:
            ModelError: the provider does not accept a file.
            ModelRefused: a file is gone.
        """
        if not tools or self._provider is None:
            return tools
        return [await self._with_files(tool, items, self._provider) for tool in tools]

    async def _with_files(
        self, tool: HostedTool, items: Sequence[Item], provider: ProviderFiles
    ) -> HostedTool:
        wanted = list(_attached_for(tool.type, items))
        if not wanted or isinstance(tool, WebSearch):
            return tool
        uploaded = [await self._upload(attachment, provider) for attachment in wanted]
        if isinstance(tool, CodeInterpreter):
            return tool.model_copy(update={"file_ids": _merged(tool.file_ids, uploaded)})
        store_id = await self._update_vector_store(uploaded, provider)
        return _with_vector_store(tool, store_id)

    async def _read_image(self, file_id: str) -> None:
        if file_id in self._images or not ids.is_attached_file_id(file_id):
            return
        file = await self._read(file_id, "An image")
        data = base64.b64encode(file.content).decode()
        self._images[file_id] = f"data:image/{image_type(file.content)};base64,{data}"

    async def _upload(self, attachment: Mapping[str, Any], provider: ProviderFiles) -> str:
        """Return the provider's id of an attached file, which is uploaded if it has to be."""
        file_id: str = attachment["file_id"]
        if not ids.is_attached_file_id(file_id):
            return file_id  # it is the provider's own already
        if file_id not in self._known:
            upload = await self._store.files.upload(self._thread_id, file_id)
            if upload is None or upload.until < time.time() + _MARGIN_SECONDS:
                upload = await self._upload_stored(file_id, attachment, provider)
            self._known[file_id] = upload.id
        return self._known[file_id]

    async def _upload_stored(
        self, file_id: str, attachment: Mapping[str, Any], provider: ProviderFiles
    ) -> Upload:
        file = await self._read(file_id, f"The file {attachment.get('filename')!r}")
        is_searched = {"type": "file_search"} in attachment["tools"]
        id, until = await provider.upload(file.name, file.content, is_searched=is_searched)
        upload = Upload(id, until)
        with contextlib.suppress(errors.StoreFull):  # then it is uploaded once more
            await self._held.note_upload(file_id, upload)
        return upload

    async def _update_vector_store(self, file_ids: list[str], provider: ProviderFiles) -> str:
        """Return the id of the thread's vector store, with these files in it."""
        found = self._vector_store
        if found is None:
            noted = await self._store.files.vector_store(self._thread_id)
            if noted is not None and await provider.has_store(noted.id):
                found = noted
        missing = [id for id in file_ids if found is None or id not in found.files]
        if found is None:
            found = ThreadVectorStore(await provider.make_store(self._thread_id, missing))
        elif missing:
            await provider.add_to_store(found.id, missing)
        if missing:
            found.files += missing
            with contextlib.suppress(errors.StoreFull):  # then another one is made
                await self._held.note_vector_store(found)
        self._vector_store = found
        return found.id

    async def _read(self, file_id: str, what: str) -> File:
        file = await self._store.files.read_attached(self._thread_id, file_id)
        if file is None:
            text = f"{what} that is attached to the thread is gone from Redis."
            raise errors.ModelRefused(text, param="input", reason="file is gone")
        return file


def _user_messages(items: Iterable[Item]) -> Iterable[MessageItem]:
    for item in items:
        if item["type"] == "message" and item["role"] == "user":
            yield item


def _attached_for(tool: str, items: Iterable[Item]) -> Iterable[Mapping[str, Any]]:
    for message in _user_messages(items):
        for attachment in message.get("attachments", ()):
            if {"type": tool} in attachment.get("tools", ()) and attachment.get("file_id"):
                yield attachment


def _merged(known: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*known, *more]))


def _with_vector_store(tool: FileSearch, store_id: str) -> FileSearch:
    ids_ = _merged(tool.vector_store_ids, [store_id])
    return tool.model_copy(update={"vector_store_ids": ids_})
