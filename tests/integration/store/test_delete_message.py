"""delete_message: one message goes, the rest stays a history that models take."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic_core import to_json
from tests.support.histories import message
from tests.support.store.scene import begin_call, end_message, write_partly

from threadmill_shared import errors, ids
from threadmill_shared.records.items import ImportedItem, Item
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status
from threadmill_shared.store.server import GAPS_FORMAT
from threadmill_workers.execution.history import History
from threadmill_workers.execution.reduction import turn_starts

RUN = "run_1"


@pytest.fixture(autouse=True)
def unmarked(scene, run):
    """The format of this namespace is another test's affair."""
    yield
    run(scene.command("DEL", scene.keys.format()))


async def add(scene, *texts: str) -> list[str]:
    made = [ids.new_message_id() for _ in texts]
    page = [(id, user_message(id, text)) for id, text in zip(made, texts, strict=True)]
    await scene.store.threads.add(scene.thread_id, page, create=True)
    return made


async def store(scene, items: list[Any]) -> None:
    stored = [
        ImportedItem(one["id"] if one["type"] == "message" else "", to_json(one).decode(), 1)
        for one in items
    ]
    await scene.store.threads.import_items(scene.thread_id, stored, created_at=1)


# ---- what goes, and what stays -----------------------------------------------------------------


async def test_a_message_goes_with_what_is_kept_beside_it_and_leaves_a_gap(scene, client):
    first, second, third = await add(scene, "one", "two", "three")
    await scene.store.threads.set_message_metadata(scene.thread_id, second, {"order": "7"})

    await scene.store.threads.delete_message(scene.thread_id, second)

    assert client.outcomes[-1] == "ok"
    assert await scene.texts() == ["one", "three"]
    stored = await scene.store.threads.items(scene.thread_id, 1, 9)
    assert [(one.item["id"], one.position) for one in stored] == [(first, 1), (third, 3)]
    assert not [key for key in await scene.contents() if ":attached:" in key]
    await add(scene, "four")
    assert await scene.store.threads.last_position(scene.thread_id) == 4
    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.message(scene.thread_id, second)


async def test_the_last_message_can_go_and_its_position_is_not_given_out_again(scene):
    [only] = await add(scene, "one")
    await scene.store.threads.delete_message(scene.thread_id, only)
    assert await scene.texts() == []
    await add(scene, "two")
    assert [one.position for one in await scene.store.threads.items(scene.thread_id, 1, 9)] == [2]


async def test_a_thread_that_a_run_holds_stays_as_it_is(scene, client):
    [first] = await add(scene, "one")
    held = await scene.begin()
    await scene.store.server.use_format(GAPS_FORMAT)
    before = await scene.contents()

    with pytest.raises(errors.ThreadLocked) as refused:
        await scene.store.threads.delete_message(scene.thread_id, first)

    assert client.outcomes[-1] == "locked"
    assert refused.value.run_id == held.record.id
    assert await scene.contents() == before


async def test_what_is_not_there_cannot_be_deleted_and_raises_no_format(scene):
    await scene.store.server.check_format()
    with pytest.raises(errors.ThreadNotFound):
        await scene.store.threads.delete_message(scene.thread_id, "msg_0")
    [first] = await add(scene, "one")
    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.delete_message(scene.thread_id, "msg_0")
    assert await scene.command("GET", scene.keys.format()) == "1"

    await scene.store.threads.delete_message(scene.thread_id, first)
    assert await scene.command("GET", scene.keys.format()) == str(GAPS_FORMAT)


async def test_the_message_of_a_run_that_waits_in_line_is_not_found(scene):
    await scene.begin()
    waiting = await scene.record((await scene.enqueue()).run_id)
    with pytest.raises(errors.MessageNotFound):
        await scene.store.threads.delete_message(scene.thread_id, waiting.message_id)


async def test_a_late_repeat_of_the_call_that_added_it_does_not_bring_it_back(scene, client):
    [first] = await add(scene, "one")
    await scene.store.threads.delete_message(scene.thread_id, first)
    again = [(first, user_message(first, "one"))]
    await scene.store.threads.add(scene.thread_id, again, create=False)
    assert client.outcomes[-1] == "again"
    assert await scene.texts() == []


async def test_a_late_repeat_of_the_deletion_does_not_delete_what_was_imported_again(scene):
    [first] = await add(scene, "one")
    command = scene.commands.delete_message(scene.thread_id, first, "delete_1")
    assert await scene.send(command) == ["ok"]
    await store(scene, [user_message(first, "one")])
    assert await scene.send(command) == ["again"]
    assert await scene.texts() == ["one"]


async def test_the_marks_of_deletions_expire(scene):
    [first] = await add(scene, "one")
    await scene.store.threads.delete_message(scene.thread_id, first)
    mark = f"{scene.keys.bucket(scene.thread_id)}deleted:{scene.thread_id}:{first}"
    assert await scene.ttl(mark) == pytest.approx(60, abs=1)


async def test_calls_and_outputs_of_the_turn_stay(scene):
    held = await scene.begin("roll")
    await held.write(begin_call(held.record, "call_1"))
    await write_partly(held, "A four.", step=1)
    await held.finish(Status.COMPLETED, end_message(held.record, "A four.", step=1))
    record = await scene.record(held.record.id)

    for id in (record.message_id, ids.run_message_id(record.id, 0)):
        await scene.store.threads.delete_message(scene.thread_id, id)

    kinds = [one.item["type"] for one in await scene.store.threads.items(scene.thread_id, 1, 9)]
    assert kinds == ["tool_call", "tool_output"]
    assert await scene.store.threads.messages_of_run(record) == []


def reasoning(run_id: str = RUN) -> Any:
    return {"type": "reasoning", "model": "m", "data": {}, "run_id": run_id}


def call(kind: str = "tool_call", run_id: str = RUN) -> Any:
    return {"type": kind, "id": "call_1", "data": {}, "run_id": run_id}


ANSWER = message("assistant", "answer", RUN) | {"id": "msg_0a"}


@pytest.mark.parametrize(
    ("items", "left"),
    [
        ([reasoning(), reasoning(), ANSWER], []),
        ([reasoning(), ANSWER, message("user", "b", None)], ["message"]),
        ([reasoning(), ANSWER, call()], ["reasoning", "tool_call"]),
        ([reasoning(), ANSWER, call("hosted_call")], ["reasoning", "hosted_call"]),
        ([reasoning(), ANSWER, call(run_id="run_2")], ["tool_call"]),
        ([reasoning(), call(), reasoning(), ANSWER], ["reasoning", "tool_call"]),
        ([reasoning(), call("hosted_call"), ANSWER], ["reasoning", "hosted_call"]),
        ([reasoning("run_2"), ANSWER], ["reasoning"]),
        ([reasoning(), ANSWER | {"role": "user"}], ["reasoning"]),
        ([reasoning(), ANSWER | {"run_id": None}], ["reasoning"]),
    ],
)
async def test_reasoning_goes_with_the_only_thing_that_it_led_to(scene, items, left):
    await store(scene, [message("user", "a", None) | {"id": "msg_0b"}, *items])

    await scene.store.threads.delete_message(scene.thread_id, ANSWER["id"])

    stored = await scene.store.threads.items(scene.thread_id, 2, 99)
    assert [one.item["type"] for one in stored] == left


# ---- what runs read ----------------------------------------------------------------------------


def wanted(items: list[Item], last_messages: int | None) -> list[Item]:
    if last_messages is None:
        return items
    starts = turn_starts(items)
    counts = {at: sum(one["type"] == "message" for one in items[at:]) for at in starts}
    kept = [at for at in starts if counts[at] <= last_messages]
    return items[(kept or starts[-1:])[0] :]


async def test_a_run_reads_what_is_there_each_item_once_at_its_own_position(scene):
    chosen = random.Random(32)
    for _ in range(12):
        scene.thread_id = ids.new_thread_id()
        count = chosen.choice((3, 20, 60, 300))
        made = await add(scene, *(f"{n} {'y' * chosen.randrange(3000)}" for n in range(count)))
        for id in chosen.sample(made, chosen.randrange(count)):
            await scene.store.threads.delete_message(scene.thread_id, id)
        last = chosen.choice((None, 1, 5, 30))
        strategy = None if last is None else {"type": "last_messages", "last_messages": last}
        held = await scene.begin("now")
        stored = await scene.store.threads.items(scene.thread_id, 1, held.position)
        places = {one.item["id"]: one.position for one in stored}

        for recent in (held.take_recent_items(), ()):
            history = History(scene.store, scene.thread_id, held.position, strategy, recent=recent)
            items = list(await history.items())
            assert items == wanted([one.item for one in stored], last)
            assert history.positions == [places[item["id"]] for item in items]
        history.append(message("assistant", "then", held.record.id))
        assert history.positions[-1] == held.position + 1
