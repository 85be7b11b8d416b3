"""What users have attached to messages: files for the provider's tools, and images."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from threadmill_shared import errors, ids
from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.model import ProviderFiles
from threadmill_shared.records.files import File, image_type
from threadmill_shared.records.items import Item
from threadmill_shared.store.store import Store
from threadmill_workers.execution.file_failures import FileFailures, users_messages
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.tool_files import ToolFiles


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
        self._thread_id = held.record.thread_id
        self._images: dict[str, str] = {}
        failures = FileFailures(store, held)
        self._tool_files: ToolFiles | None = None
        if provider is not None:
            self._tool_files = ToolFiles(store, held, provider, failures)

    async def images(self, items: Sequence[Item]) -> Mapping[str, str]:
        """The images of users' messages, as data URLs by our ids.

        Raises:
            ModelRefused: an image is gone.
        """
        for message in users_messages(items):
            for part in message["content"]:
                if part["type"] == "image_file":
                    await self._read_image(part["image_file"]["file_id"])
        return self._images

    async def tools(
        self, items: Sequence[Item], tools: Sequence[HostedTool]
    ) -> Sequence[HostedTool]:
        """The run's hosted tools, with the files that these messages attach for them.

        A file that the provider does not take is reported and left out.

        Raises:
            ModelError: the provider cannot be asked.
        """
        if not tools or self._tool_files is None:
            return tools
        return await self._tool_files.give(items, tools)

    def explain(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items, with what the model must know of files that the tools of `tools` lack."""
        return items if self._tool_files is None else self._tool_files.explain(items)

    async def _read_image(self, file_id: str) -> None:
        if file_id in self._images or not ids.is_attached_file_id(file_id):
            return
        file = await self._read(file_id, "An image")
        data = base64.b64encode(file.content).decode()
        self._images[file_id] = f"data:image/{image_type(file.content)};base64,{data}"

    async def _read(self, file_id: str, what: str) -> File:
        file = await self._store.files.read_attached(self._thread_id, file_id)
        if file is None:
            text = f"{what} that is attached to the thread is gone from Redis."
            raise errors.ModelRefused(text, param="input", reason="file is gone")
        return file
