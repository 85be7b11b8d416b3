"""Pages of messages: both orders, both cursors, gaps, and the messages of one run."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from tests.support.store.scene import end_message

from threadmill_shared import errors, ids
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.page import Order, PageQuery
from threadmill_shared.records.run import Status
from threadmill_shared.store import score_pages


async def add(scene, count: int) -> list[str]:
    made = [ids.new_message_id() for _ in range(count)]
    page = [(id, user_message(id, str(number))) for number, id in enumerate(made)]
    await scene.store.threads.add(scene.thread_id, page, create=True)
    return made


def wanted(
    known: Sequence[str], limit: int, order: Order, after: str | None, before: str | None
) -> tuple[list[str], bool]:
    """The page of a plain list, oldest first, and whether there is more."""
    listed = list(known if order == "asc" else reversed(known))
    begin = 0 if after is None else listed.index(after) + 1
    end = len(listed) if before is None else listed.index(before)
    between = listed[begin : max(begin, end)]
    is_from_the_end = before is not None and after is None
    page = between[max(0, len(between) - limit) :] if is_from_the_end else between[:limit]
    return page, len(between) > limit


async def ids_of(scene, query: PageQuery, run_id: str | None = None) -> tuple[list[str], bool]:
    page = await scene.store.threads.message_page(scene.thread_id, query, run_id)
    return [message.id for message in page.data], page.has_more


async def test_any_page_is_that_of_a_plain_list(scene):
    chosen = random.Random(14)
    known = await add(scene, 40)
    for id in chosen.sample(known, 15):
        position = await scene.command("ZSCORE", scene.keys.messages(scene.thread_id), id)
        await scene.command("XDEL", scene.keys.items(scene.thread_id), int(float(position)))
        await scene.command("ZREM", scene.keys.messages(scene.thread_id), id)
        known.remove(id)
    for _ in range(120):
        limit, order = chosen.randrange(1, 30), chosen.choice(("asc", "desc"))
        after, before = chosen.choice([None, *known]), chosen.choice([None, *known])
        query = PageQuery(limit, order, after=after, before=before)
        assert await ids_of(scene, query) == wanted(known, limit, order, after, before), query


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_one_behind_the_other_have_each_message_once(scene, order):
    known = await add(scene, 25)
    found, after, has_more = [], None, True
    while has_more:
        page, has_more = await ids_of(scene, PageQuery(10, order, after=after))
        found, after = found + page, page[-1]
    assert found == (known if order == "asc" else known[::-1])


async def test_an_unknown_cursor_is_an_error(scene):
    [known] = await add(scene, 1)
    for place in ({"after": "msg_0"}, {"before": "msg_0", "after": known}):
        with pytest.raises(errors.MessageNotFound, match="no message msg_0"):
            await ids_of(scene, PageQuery(5, **place))


async def test_a_threads_messages_can_be_those_that_a_run_has_written(scene, monkeypatch):
    monkeypatch.setattr(score_pages, "PAGE", 2)
    runs = []
    for _ in range(3):
        held = await scene.begin("ask")
        for number in range(3):
            await held.write(end_message(held.record, f"part {number}", number))
        await held.finish(Status.COMPLETED, end_message(held.record, "done", 3))
        runs.append(held.record.id)
    own = [ids.run_message_id(runs[1], number) for number in range(4)]

    assert await ids_of(scene, PageQuery(20, "asc"), runs[1]) == (own, False)
    assert await ids_of(scene, PageQuery(3, "desc"), runs[1]) == (own[:0:-1], True)
    assert await ids_of(scene, PageQuery(3, "asc", after=own[0]), runs[1]) == (own[1:], False)
    assert await ids_of(scene, PageQuery(1, "asc", before=own[3]), runs[1]) == ([own[2]], True)
    await scene.command("DEL", scene.keys.run(runs[1]))  # as when its record has expired
    assert await ids_of(scene, PageQuery(20, "desc"), runs[1]) == (own[::-1], False)
    for unknown in (ids.new_run_id(scene.thread_id), "run_of_another_store"):
        assert await ids_of(scene, PageQuery(20, "asc"), unknown) == ([], False)


async def test_a_run_that_writes_has_its_messages_so_far(scene):
    held = await scene.begin("ask")
    await held.write(end_message(held.record, "part 0"))
    own = [ids.run_message_id(held.record.id, 0)]
    assert await ids_of(scene, PageQuery(20, "asc"), held.record.id) == (own, False)


@pytest.mark.parametrize(
    ("before", "after", "order", "texts"),
    [
        (None, None, "asc", "789"),
        (None, None, "desc", "987"),
        (5, None, "asc", "234"),
        (5, None, "desc", "432"),
        (None, 5, "asc", "678"),
        (None, 5, "desc", "876"),
        (9, 3, "asc", "456"),
        (9, 3, "desc", "876"),
    ],
)
async def test_what_python_asks_for_is_as_near_to_the_end_as_its_cursors_allow(
    scene, before, after, order, texts
):
    known = await add(scene, 10)
    found = await scene.store.threads.messages(
        scene.thread_id,
        3,
        None if before is None else known[before],
        None if after is None else known[after],
        order=order,
    )
    assert "".join(message.text for message in found) == texts
