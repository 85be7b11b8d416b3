"""What users have attached to messages: files for the provider's tools, and images."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.errors import ModelRefused
from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.model import ModelEvent, ProviderFiles
from threadmill_shared.records.items import Item
from threadmill_shared.store.store import Store
from threadmill_workers.execution.attached_images import AttachedImages, ShownImages
from threadmill_workers.execution.file_failures import FileFailures
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.execution.tool_files import ToolFiles


class AttachedFiles:
    """The attached files of one run's thread."""

    def __init__(self, store: Store, held: HeldRun, provider: ProviderFiles | None) -> None:
        """Nothing is read yet.

        Args:
            store: where the files are.
            held: the run; through it is stored what becomes of them.
            provider: takes the files; None if it takes none.
        """
        record, failures = held.record, FileFailures(store, held)
        self._images = AttachedImages(store, record.thread_id, record.id, failures)
        self._tool_files: ToolFiles | None = None
        if provider is not None:
            self._tool_files = ToolFiles(store, held, provider, failures)

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

    def name_cited(self, event: ModelEvent) -> ModelEvent:
        """See `ToolFiles.name_cited`."""
        return event if self._tool_files is None else self._tool_files.name_cited(event)

    async def amend(self, error: ModelRefused, *, is_guess: bool) -> bool:
        """See `ToolFiles.amend`."""
        if self._tool_files is None:
            return False
        return await self._tool_files.amend(error, is_guess=is_guess)

    async def show(self, items: Sequence[Item]) -> ShownImages:
        """What the model sees of these items: images, and notes about files that it lacks.

        Raises:
            ModelRefused: an image of the current turn cannot be read.
        """
        shown = await self._images.show(items)
        if self._tool_files is None:
            return shown
        return ShownImages(self._tool_files.explain(shown.items), shown.urls)
