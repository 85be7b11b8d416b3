"""A page costs the same, however many entries there are: what it asks Redis for is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import NAMESPACE, Run

from threadmill_shared import ids
from threadmill_shared.records.list_filters import RunFilter
from threadmill_shared.records.run import Status
from threadmill_shared.store.connections import connect
from threadmill_shared.store.index_names import status_index
from threadmill_shared.store.store import Store

pytestmark = [pytest.mark.any_server]

FIELDS = {"thread_id": "thread_00", "status": "queued", "created_at": 1, "queue": "tm"}
COMMANDS = ("zrevrange", "zrevrangebyscore", "zcount", "zcard", "hmget", "hgetall", "evalsha")


@pytest.fixture
def store(redis_url: str, run: Run) -> Iterator[Store]:
    """A store whose connections are counted by the server alone."""
    store = Store(connect(redis_url), NAMESPACE)
    yield store
    run(store.close())


async def fill(store: Store, count: int) -> None:
    """So many runs, as far as lists look at them."""
    client = store.session.client
    for start in range(0, count, 1000):
        pipeline = client.pipeline(transaction=False)
        for at in range(start, min(count, start + 1000)):
            run_id = ids.new_run_id(ids.new_thread_id())
            bucket = store.session.keys.bucket(run_id)
            pipeline.hset(store.session.keys.run(run_id), mapping=FIELDS)
            for index in ("all_runs", status_index("queued"), status_index("failed")):
                pipeline.zadd(f"{bucket}{index}", {run_id: 1_700_000_000_000 + at})
        await pipeline.execute()


async def cost(store: Store, wanted: RunFilter, cursor: str | None) -> dict[str, int]:
    """How often each command was executed for one page, and how many bytes it had."""
    client = store.session.client
    await client.config_resetstat()
    page = await store.lists.runs(wanted, 20, cursor)
    assert len(page) == 20
    stats: dict[str, Any] = await client.info("commandstats")
    counts = {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in COMMANDS}
    return counts | {"bytes": (await client.info("stats"))["total_net_output_bytes"]}


@pytest.mark.parametrize("status", [None, Status.QUEUED])
@pytest.mark.parametrize("place", ["first", "in the middle"])
async def test_a_page_of_many_costs_what_a_page_of_few_does(
    store: Store, status: Status | None, place: str
) -> None:
    costs = []
    for count in (300, 15_000):
        await store.session.client.flushdb()
        await fill(store, count)
        cursor = None if place == "first" else f"{1_700_000_000_000 + count // 2}:run_zz"
        wanted = RunFilter(status=status)
        await store.lists.runs(wanted, 20, cursor)  # so that the script is there
        costs.append(await cost(store, wanted, cursor))
    await store.session.client.flushdb()

    few, many = costs
    for name in COMMANDS:
        # A second round trip is for a page whose entries are in few buckets by chance.
        assert many[name] <= 2 * few[name] + 1, (name, costs)
    assert many["bytes"] < 2.5 * few["bytes"], costs
