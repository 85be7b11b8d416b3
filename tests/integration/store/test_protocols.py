"""A URL's `protocol` says how Redis answers, and changes nothing of what is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import NAMESPACE, Run
from tests.support.store.registered_workers import register
from tests.support.store.scene import HOLDER, Scene, begin_call, end_message, write_partly

from threadmill_shared import ids
from threadmill_shared.events.cursor import Cursor
from threadmill_shared.events.shared_log import SharedLog
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.list_filters import RunFilter
from threadmill_shared.records.page import PageQuery
from threadmill_shared.records.run import Status
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.execution.history import History

WORKER = WorkerInfo(HOLDER.id, "host:1", since=1, queue="tm.aaaa")

pytestmark = pytest.mark.any_server


@pytest.fixture
def stores(redis_server: Any, run: Run) -> Iterator[list[Store]]:
    """Stores in one database, whose servers answer in RESP2 and in RESP3."""
    url = redis_server.fresh_database()
    stores = [Store(connect(f"{url}?protocol={one}"), NAMESPACE) for one in (2, 3)]
    yield stores
    for store in stores:
        run(store.close())


async def tell(scene: Scene) -> list[str]:
    """A run that has ended, and one in the middle of a call; returns their ids."""
    await register(scene.store, WORKER)
    await scene.store.assistants.publish(
        [Definition(id="asst_1", name="Ada", model="gpt-5.4-mini")]
    )
    first = await scene.begin()
    await write_partly(first, "Well, ", "yes.")
    await first.finish(Status.COMPLETED, end_message(first.record, "Well, yes."))
    second = await scene.begin("again")
    await second.write(begin_call(second.record, "call_1"))
    assert (await second.call_marks()).is_begun("call_1")
    return [first.record.id, second.record.id]


async def read(store: Store, thread_id: str, run_ids: list[str]) -> dict[str, Any]:
    """All that readers of these runs get."""
    records = [await store.runs.record(id) for id in run_ids]
    log = SharedLog(store.logs, records[0])  # type: ignore[arg-type]  it is there
    return {
        "records": records,
        "steps": [await store.runs.steps(id) for id in run_ids],
        "thread": await store.threads.record(thread_id),
        "messages": await store.threads.messages(thread_id, 10, None, None),
        "pages": await read_pages(store, thread_id, run_ids[0]),
        "history": await History(store, thread_id, 4, None).items(),
        "events": await Cursor(log, records[0], 0).read(),  # type: ignore[arg-type]  as above
        "listed": await store.lists.runs(RunFilter(), 10, None),
        "indexing": await store.lists.state(),
        "alive": await store.workers.alive(),
        "registered": [one.info for one in await store.workers.registered()],
        "scanned": (await store.workers.scanner().scan([], [], at=0.0)).registered,
        "census": (await store.inspector.census()).held,
        "failures": [await store.inspector.call_failures(id) for id in run_ids],
        "place": [one and one.record for one in [await store.inspector.place(run_ids[1])]],
        "published": [name for name, *_ in await store.inspector.published()],
        "held": await store.indexes.held_by(HOLDER.id),
    }


async def read_pages(store: Store, thread_id: str, run_id: str) -> list[Any]:
    newest = await store.run_pages.runs(thread_id, PageQuery(limit=1))
    rest = await store.run_pages.runs(thread_id, PageQuery(after=newest.data[0].id))
    return [newest, rest, await store.run_pages.steps(run_id, PageQuery())]


async def test_all_that_is_stored_is_read_alike(stores: list[Store]) -> None:
    scene = Scene(stores[0], ids.new_thread_id())
    await stores[0].server.check()
    run_ids = await tell(scene)

    old, new = [await read(store, scene.thread_id, run_ids) for store in stores]

    assert {name for name in new if old[name] != new[name]} == set()
    assert len(new["events"]) > 5
    assert new["alive"] == [WORKER]
