"""Pages of the assistants that were created: both orders, both cursors, deletions in between."""

from __future__ import annotations

from random import Random

import pytest
from tests.support.store.pages import ORDERS, plain_page, some_queries
from tests.support.store.scene import Scene

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.page import Order, PageQuery


async def created(scene: Scene, count: int) -> list[str]:
    made = [f"asst_{number:024x}" for number in Random(count).sample(range(1000), count)]
    for id in made:
        await scene.store.assistants.create(Definition(id=id, name=id, model="m"))
    return made


async def page(scene: Scene, query: PageQuery) -> tuple[list[str], bool]:
    found = await scene.store.assistants.page(query)
    return [one.id for one in found.data], found.has_more


async def walk(scene: Scene, order: Order, *, delete: bool = False) -> list[str]:
    """As SDKs do it: behind the last one of each page, until there are no more."""
    found: list[str] = []
    has_more = True
    while has_more:
        after = found[-1] if found else None
        data, has_more = await page(scene, PageQuery(3, order, after=after))
        found += data
        for id in data if delete else ():
            assert await scene.store.assistants.delete(id)
    return found


async def test_they_come_in_the_order_in_which_they_were_created(scene: Scene) -> None:
    made = await created(scene, 10)  # within a second
    assert await walk(scene, "asc") == made
    assert await walk(scene, "desc") == made[::-1]
    [first] = (await scene.store.assistants.page(PageQuery(1, "asc"))).data
    assert first.created_at == (await scene.store.assistants.load(first.id)).created_at


@pytest.mark.any_server
async def test_every_page_is_what_the_definition_says_also_with_equal_times(scene: Scene) -> None:
    random = Random(5)
    made = await created(scene, 12)
    # Releases before noted whole seconds, and 0 for what was there before.
    scores = dict(zip(made, sorted(random.choices(range(4), k=12)), strict=True))
    for id, score in scores.items():
        await scene.command("ZADD", scene.keys.registered(), score, id)
    in_order = sorted(made, key=lambda one: (scores[one], one))
    for query in some_queries(in_order, random, 300):
        assert await page(scene, query) == plain_page(in_order, query), query


@pytest.mark.parametrize("order", ORDERS)
async def test_whoever_deletes_each_one_sees_each_one(scene: Scene, order: Order) -> None:
    made = await created(scene, 10)
    assert await walk(scene, order, delete=True) == (made if order == "asc" else made[::-1])
    assert await page(scene, PageQuery()) == ([], False)


async def test_one_that_is_not_there_is_no_cursor(scene: Scene) -> None:
    await created(scene, 1)
    for query in (PageQuery(after="asst_none"), PageQuery(before="asst_none")):
        with pytest.raises(errors.AssistantNotFound, match="asst_none"):
            await scene.store.assistants.page(query)


async def test_one_of_an_earlier_release_has_the_time_of_its_entry(scene: Scene) -> None:
    definition = Definition(id="asst_1", name="Ada", model="m")
    for at, shown in ((1_700_000_000, 1_700_000_000), (0, None)):
        await scene.command("SET", scene.keys.created("asst_1"), definition.model_dump_json())
        await scene.command("ZADD", scene.keys.registered(), at, "asst_1")
        [found] = (await scene.store.assistants.page(PageQuery())).data
        assert found.created_at == shown


async def test_one_that_an_earlier_release_has_deleted_is_passed_over(scene: Scene) -> None:
    made = await created(scene, 5)
    for id in made[1:4]:
        await scene.command("DEL", scene.keys.created(id))
    assert await page(scene, PageQuery(2, "asc")) == ([made[0], made[4]], False)
