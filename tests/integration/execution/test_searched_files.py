"""What is noted of the files that a provider searches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from tests.support.store.scene import Scene

from threadmill_shared.model import FileState, IndexCounts, ProviderFiles
from threadmill_workers.execution.searched_files import SearchedFiles


class Unsearchable:
    """A provider that cannot search any file."""

    async def has_store(self, id: str) -> bool:
        return True

    async def make_store(self, name: str, file_ids: Sequence[str]) -> str:
        return "vs_1"

    async def wait_until_indexed(self, id: str, seconds: float) -> IndexCounts:
        return IndexCounts(failed=1)

    async def file_states(self, id: str, file_ids: Sequence[str]) -> dict[str, FileState]:
        return dict.fromkeys(file_ids, FileState("failed", "It is a scan."))


async def test_a_file_is_waited_for_again_until_its_failure_is_noted(scene: Scene):
    held = await scene.begin("Read it")
    provider = cast("ProviderFiles", Unsearchable())

    async def attempt() -> tuple[SearchedFiles, dict[str, Any]]:
        files = SearchedFiles(scene.store, held, provider)
        return files, await files.give(["file-1"])

    _, failures = await attempt()
    assert failures["file-1"].reason == "It is a scan."
    # The attempt ends here, before it has noted the failure.
    second, failures = await attempt()
    assert failures["file-1"].reason == "It is a scan."
    await second.settle()
    _, failures = await attempt()
    assert failures == {}
