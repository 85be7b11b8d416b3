"""Reading lists to their end, and what lets them call themselves complete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.store.scene import Scene
from tests.support.waiting import wait_until_async

from threadmill_shared.records.page import Page
from threadmill_shared.records.workers import WorkerInfo

INDEXES = frozenset({"all_runs", "status", "assistant", "error", "expiring", "active", "metadata"})


async def forget_indexes(scene: Scene) -> None:
    """Leave the store as an earlier release would have."""
    for key in await scene.contents():
        kind = key.split(":")[1]
        if kind in INDEXES:
            await scene.command("UNLINK", f"{scene.keys.namespace}:{key}")
        elif kind in ("run", "thread"):
            await scene.command("HDEL", f"{scene.keys.namespace}:{key}", "listed")


async def all_pages(read: Callable[[str | None], Awaitable[Page[Any]]]) -> list[Page[Any]]:
    """The pages of a list; `read` takes the cursor of the page before."""
    pages = [await read(None)]
    while pages[-1].cursor is not None:
        pages.append(await read(pages[-1].cursor))
    return pages


async def expired_run(scene: Scene) -> str:
    """A run whose record has expired, and whose entries are still there."""
    run = await scene.enqueue(run_days=30 / 86_400_000)
    await scene.store.runs.cancel(run.run_id)

    async def is_gone() -> bool:
        return not await scene.command("EXISTS", scene.keys.run(run.run_id))

    await wait_until_async(is_gone)
    return run.run_id


async def noted_as_complete(scene: Scene, *, metadata: str = "", seconds_ago: int = 0) -> None:
    """Note what the indexer notes when all is indexed."""
    seen_at = int((await scene.command("TIME"))[0]) - seconds_ago
    fields = {"is_complete": 1, "metadata": metadata, "seen_at": seen_at}
    flat = [part for pair in fields.items() for part in pair]
    await scene.command("HSET", scene.keys.indexing(), *flat)
    worker = WorkerInfo("host:1:aaaa", "host:1", 0, "q")
    await scene.command("HSET", scene.keys.alive(), worker.id, worker.encode())
