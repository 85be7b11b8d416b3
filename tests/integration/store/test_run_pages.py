"""Pages of a thread's runs and of a run's steps: both orders, both cursors, what is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import product
from random import Random
from typing import Any

import pytest
from tests.support.store.lossy_client import LossyClient
from tests.support.store.pages import ORDERS, plain_page
from tests.support.store.scene import Scene, end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.records.page import OrderedPage, PageQuery


async def enqueued(scene: Scene, count: int) -> list[str]:
    return [(await scene.enqueue()).run_id for _ in range(count)]


async def runs(scene: Scene, query: PageQuery) -> tuple[list[str], bool]:
    page = await scene.store.run_pages.runs(scene.thread_id, query)
    return [record.id for record in page.data], page.has_more


async def test_runs_come_in_both_orders(scene: Scene) -> None:
    made = await enqueued(scene, 5)

    assert await runs(scene, PageQuery(3, "asc")) == (made[:3], True)
    assert await runs(scene, PageQuery(3, "desc")) == (made[:1:-1], True)
    assert await runs(scene, PageQuery(5)) == (made[::-1], False)


async def test_a_page_lies_behind_before_or_between_cursors(scene: Scene) -> None:
    made = await enqueued(scene, 6)

    assert await runs(scene, PageQuery(2, "asc", after=made[1])) == (made[2:4], True)
    assert await runs(scene, PageQuery(2, "desc", after=made[2])) == ([made[1], made[0]], False)
    assert await runs(scene, PageQuery(2, "asc", before=made[4])) == (made[2:4], True)
    assert await runs(scene, PageQuery(2, "desc", before=made[2])) == ([made[4], made[3]], True)
    between = PageQuery(9, "asc", after=made[0], before=made[3])
    assert await runs(scene, between) == (made[1:3], False)


async def test_every_page_is_what_the_definition_says(scene: Scene) -> None:
    made = await enqueued(scene, 9)
    random = Random(1)
    cursors = [None, *made]

    for order, limit in product(ORDERS, (1, 2, 4, 9, 100)):
        for _ in range(8):
            query = PageQuery(limit, order, random.choice(cursors), random.choice(cursors))
            assert await runs(scene, query) == plain_page(made, query), query


async def walk(read: Callable[[PageQuery], Awaitable[OrderedPage[Any]]]) -> AsyncIterator[str]:
    """What the SDKs' auto-paging reads."""
    query = PageQuery(3, "asc")
    while True:
        page = await read(query)
        for one in page.data:
            yield one.id
        if not page.has_more:
            return
        query = PageQuery(3, "asc", after=page.data[-1].id)


async def test_a_walk_from_page_to_page_meets_each_run_once(scene: Scene) -> None:
    made = await enqueued(scene, 10)

    pages = scene.store.run_pages
    assert [id async for id in walk(lambda query: pages.runs(scene.thread_id, query))] == made


@asynccontextmanager
async def absent(scene: Scene, *run_ids: str) -> AsyncIterator[None]:
    """As if the records of these runs had expired; they come back, so that nothing is left over."""
    for run_id in run_ids:
        await scene.command("RENAME", scene.keys.run(run_id), f"{scene.keys.run(run_id)}:aside")
    yield
    for run_id in run_ids:
        await scene.command("RENAME", f"{scene.keys.run(run_id)}:aside", scene.keys.run(run_id))


async def test_a_run_whose_record_has_expired_is_left_out_and_still_a_cursor(scene: Scene) -> None:
    made = await enqueued(scene, 6)
    async with absent(scene, made[2], made[3], made[5]):
        assert await runs(scene, PageQuery(2, "asc", after=made[2])) == ([made[4]], False)
        assert await runs(scene, PageQuery(2, "desc")) == ([made[4], made[1]], True)
        assert await runs(scene, PageQuery(2, "asc", before=made[3])) == (made[:2], False)


async def test_a_run_of_another_thread_is_no_cursor(scene: Scene) -> None:
    await enqueued(scene, 1)
    foreign = (await scene.enqueue(thread_id=ids.new_thread_id())).run_id

    for cursor in (foreign, ids.new_run_id(scene.thread_id), "*", "run_1"):
        with pytest.raises(errors.RunNotFound):
            await runs(scene, PageQuery(after=cursor))
        with pytest.raises(errors.RunNotFound):
            await runs(scene, PageQuery(before=cursor))


async def test_a_page_of_runs_costs_what_the_page_costs(scene: Scene, client: LossyClient) -> None:
    made = await enqueued(scene, 60)
    client.commands.clear()

    await runs(scene, PageQuery(5, "asc", after=made[30]))

    assert len(client.commands) <= 8


# ---- steps -------------------------------------------------------------------------------------


async def test_steps_come_in_pages(scene: Scene) -> None:
    run_id = await run_of_steps(scene, 5)
    steps = scene.store.run_pages.steps
    named = [ids.step_id(run_id, number) for number in range(5)]

    for order, limit in product(ORDERS, (1, 2, 5, 100)):
        for after, before in product([None, *named], [None, *named]):
            query = PageQuery(limit, order, after, before)
            page = await steps(run_id, query)
            assert ([step.id for step in page.data], page.has_more) == plain_page(named, query)
    assert [id async for id in walk(lambda query: steps(run_id, query))] == named


async def test_a_page_has_the_steps_as_they_are_read_together(scene: Scene) -> None:
    run_id = await run_of_steps(scene, 12)

    page = await scene.store.run_pages.steps(run_id, PageQuery(order="asc"))

    assert page.data == await scene.store.runs.steps(run_id)
    for step in page.data:
        assert await scene.store.run_pages.step(run_id, step.id) == step


async def test_a_step_of_another_run_is_not_found(scene: Scene) -> None:
    run_id, other = await run_of_steps(scene, 2), await run_of_steps(scene, 1)

    for step_id in (ids.step_id(other, 0), ids.step_id(run_id, 2), f"step_{run_id[4:]}_00", "0"):
        with pytest.raises(errors.StepNotFound):
            await scene.store.run_pages.step(run_id, step_id)
        with pytest.raises(errors.StepNotFound):
            await scene.store.run_pages.steps(run_id, PageQuery(after=step_id))


async def test_a_run_that_has_not_begun_has_no_steps(scene: Scene) -> None:
    run_id = (await scene.enqueue()).run_id

    page = await scene.store.run_pages.steps(run_id, PageQuery())

    assert (page.data, page.has_more) == ([], False)


async def run_of_steps(scene: Scene, count: int) -> str:
    """A run that has written so many messages, and ended."""
    held = await scene.begin()
    for number in range(count):
        await write_partly(held, "Well.", number=number, step=number)
        await held.write(end_message(held.record, "Well.", number, number))
    await scene.store.runs.cancel(held.record.id)
    await scene.store.runs.force_end(held.record.id)
    return held.record.id
