"""Reading lists to their end, and what lets them call themselves complete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.store.scene import Scene

from threadmill_shared.records.page import Page


async def all_pages(read: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Page[Any]]:
    """The pages of a list; `read` takes the cursor of the page before."""
    pages = [await read(None)]
    while pages[-1].cursor is not None:
        pages.append(await read(pages[-1].cursor))
    return pages


async def noted_as_complete(scene: Scene, *, metadata: str = "", seconds_ago: int = 0) -> None:
    """Note what the indexer notes when all is indexed."""
    seen_at = int((await scene.command("TIME"))[0]) - seconds_ago
    fields = {"is_complete": 1, "metadata": metadata, "seen_at": seen_at}
    flat = [part for pair in fields.items() for part in pair]
    await scene.command("HSET", scene.keys.indexing(), *flat)
