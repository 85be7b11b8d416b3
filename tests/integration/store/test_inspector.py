"""What a look at the indexes finds, on every kind of server."""

from __future__ import annotations

from tests.support.store.scene import CALL, HOLDER, park_call

from threadmill_shared import ids
from threadmill_shared.records.definition import Definition


def definition(name: str) -> Definition:
    return Definition(id=f"asst_{name}", name=name, model="gpt-5.4-mini")


async def test_nothing_is_found_in_an_empty_store(scene):
    inspector = scene.store.inspector
    census = await inspector.census()
    assert (dict(census.held), census.dispatched, census.parked) == ({}, 0, 0)
    assert await inspector.parked(10) == []
    assert await inspector.published() == []
    assert await inspector.place(ids.new_run_id(scene.thread_id)) is None


async def test_runs_are_counted_where_they_are(scene):
    await scene.begin(thread_id=ids.new_thread_id())
    for _ in range(3):
        await scene.enqueue(thread_id=ids.new_thread_id())
    census = await scene.store.inspector.census()
    assert (dict(census.held), census.dispatched) == ({HOLDER.id: 1}, 3)


async def test_a_place_shows_who_comes_before_a_run(scene):
    first = await scene.begin()
    second, third = [(await scene.enqueue()).run_id for _ in range(2)]
    place = await scene.store.inspector.place(third)
    assert place is not None
    assert (place.head, place.ahead) == (first.record.id, (second,))
    assert place.held_since is None
    head = await scene.store.inspector.place(first.record.id)
    assert head is not None
    assert head.held_since is not None
    assert head.last_entry is not None
    assert head.ahead == ()


async def test_published_assistants_come_with_their_definitions(scene):
    await scene.store.assistants.publish([definition("b"), definition("a")])
    await scene.command("UNLINK", scene.keys.published("a"))
    found = {name: text for name, _, text in await scene.store.inspector.published()}
    assert found["a"] is None
    assert Definition.read(str(found["b"]), "").digest() == definition("b").digest()


async def test_parked_runs_come_with_the_calls_that_wait(scene):
    held = await scene.begin()
    await held.park(park_call(held, "approval"), 600_000)
    [parked] = await scene.store.inspector.parked(10)
    assert (parked.run_id, parked.thread_id) == (held.record.id, scene.thread_id)
    assert (parked.assistant, parked.deadline) == ("Ada", parked.since + 600_000)
    [[call]] = await scene.store.inspector.parked_calls([parked])
    assert (call.id, call.waits_for) == (CALL, "approval")
    assert (await scene.store.inspector.census()).parked == 1
    await scene.store.runs.cancel(held.record.id)
    assert await scene.store.inspector.parked(10) == []
