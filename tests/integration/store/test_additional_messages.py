"""A run that brings several messages: they enter the thread with it, all or none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import Scene

from threadmill_shared import errors, ids
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.new_messages import read_new_messages
from threadmill_shared.store.server import FORMAT, GAPS_FORMAT

ODD = 'empty [], {}, 1.0, 10000000000000001, "\\", \u0000, \ud7ff, 🐈, \u2028'
"""What JSON would not be the same after it was decoded and encoded again by others."""


def messages(*texts: str, role: str = "user") -> tuple[NewMessage, ...]:
    given = [{"role": role, "content": text, "metadata": {"n": text}} for text in texts]
    return read_new_messages(given, max_bytes=1000)


async def format_of(scene: Scene) -> int:
    return int(await scene.command("GET", scene.keys.format()) or FORMAT)


async def test_they_come_before_the_runs_own_message(scene: Scene) -> None:
    run = await scene.enqueue("own", additional=messages("one", "two"))

    assert await scene.texts() == ["one", "two", "own"]
    record = await scene.record(run.run_id)
    assert record.waiting_messages == ()
    shown = await scene.store.threads.messages_of_run(record)
    assert [message.text for message in shown] == ["own"]


async def test_they_are_not_the_runs_and_keep_what_they_have(scene: Scene) -> None:
    brought = messages(ODD, role="assistant")
    await scene.enqueue("own", additional=brought)

    assert (await scene.items())[0] == brought[0].item
    [first, _] = await scene.store.threads.messages(scene.thread_id, 9, None, None)
    assert (first.id, first.role, first.run_id) == (brought[0].item["id"], "assistant", None)
    assert (first.text, first.metadata) == (ODD, {"n": ODD})


async def test_a_run_without_a_message_of_its_own_can_bring_some(scene: Scene) -> None:
    held = await scene.begin(None, additional=messages("one", "two"))

    assert await scene.texts() == ["one", "two"]
    assert await scene.store.threads.messages_of_run(held.record) == []
    await held.release()


async def test_of_a_waiting_run_they_enter_the_thread_with_it(scene: Scene) -> None:
    first = await scene.enqueue("first")
    waiting = await scene.enqueue("own", additional=messages(ODD, "two"))
    record = await scene.record(waiting.run_id)
    assert [item["metadata"]["n"] for item in record.waiting_messages] == [ODD, "two"]
    assert await scene.texts() == ["first"]

    await scene.store.runs.cancel(first.run_id)

    assert await scene.texts() == ["first", ODD, "two", "own"]
    assert (await scene.record(waiting.run_id)).waiting_messages == ()


async def test_of_a_run_that_is_cancelled_while_it_waits_none_enters_the_thread(
    scene: Scene,
) -> None:
    first = await scene.enqueue("first")
    waiting = await scene.enqueue("own", additional=messages("one"))

    await scene.store.runs.cancel(waiting.run_id)
    await scene.store.runs.cancel(first.run_id)

    assert await scene.texts() == ["first"]


async def test_a_refused_run_leaves_nothing(scene: Scene) -> None:
    await scene.enqueue("first")
    before = await scene.contents()

    with pytest.raises(errors.ThreadLocked):
        await scene.enqueue("own", additional=messages("one"), when_busy="reject")

    assert await scene.contents() == before


async def test_a_thread_that_is_made_with_them_has_its_metadata_and_resources(
    scene: Scene,
) -> None:
    resources: dict[str, Any] = {"code_interpreter": {"file_ids": ["file-1"]}}
    given = {"thread_metadata": {"order": "7"}, "thread_tool_resources": resources}
    for order in ("7", "8"):
        given["thread_metadata"] = {"order": order}
        await scene.enqueue(None, additional=messages(order), when_busy="queue", **given)
        given["thread_tool_resources"] = {}

    record = await scene.store.threads.record(scene.thread_id)
    assert record is not None
    assert (record.metadata, record.tool_resources) == ({"order": "7"}, resources)
    assert await scene.texts() == ["7"]


async def test_their_files_are_stored_beside_the_thread(scene: Scene) -> None:
    file, own = FileContent("file_1", "a.csv", b"1,2"), FileContent("file_2", "b.csv", b"3,4")
    [message] = messages("one")
    brought = (NewMessage(message.item, Attached(files=(file,))),)

    await scene.enqueue("own", additional=brought, attached=Attached(files=(own,)))

    for one in (file, own):
        assert await scene.store.files.read_attached(scene.thread_id, one.id) == one


async def test_only_a_run_that_may_wait_raises_the_stores_format(scene: Scene) -> None:
    await scene.enqueue("own")
    await scene.enqueue(
        "own", additional=messages("a"), when_busy="reject", thread_id=ids.new_thread_id()
    )
    assert await format_of(scene) == FORMAT

    await scene.enqueue("own", additional=messages("a"))

    assert await format_of(scene) == GAPS_FORMAT


async def test_a_format_that_this_process_has_raised_is_not_asked_for_again(
    scene: Scene, client: LossyClient
) -> None:
    await scene.store.server.use_format(GAPS_FORMAT)
    client.commands.clear()

    await scene.enqueue("own", additional=messages("a"))

    assert [name for name in client.commands if name == "GET"] == []


async def test_several_runs_bring_theirs_in_one_round_trip(scene: Scene) -> None:
    new = [scene.new_run(text, additional=messages(f"before {text}")) for text in "abc"]

    found = [one async for one in scene.store.runs.enqueue_many(new, lambda _: b"")]

    assert not any(isinstance(one, Exception) for one in found)
    assert await format_of(scene) == GAPS_FORMAT
    assert await scene.texts() == ["before a", "a"]
    for one in new[:2]:
        await scene.store.runs.cancel(one.run_id)
    assert await scene.texts() == [*("before a", "a"), *("before b", "b"), *("before c", "c")]
