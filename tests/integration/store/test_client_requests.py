"""What clients' requests have created is remembered: for whom, how long, and for whom not."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from threadmill_shared import errors, ids
from threadmill_shared.records.client_request import ClientRequest, Created
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.messages import user_message

DIGEST, CONTENT = "2a" * 16, "ca" * 16


def asks(tries: int = 0, *, ago: float = 0, is_shared: bool = False) -> ClientRequest:
    """A request without a key that came so many seconds ago."""
    came_at = time.monotonic() - ago
    return ClientRequest(DIGEST, tries=tries, is_shared=is_shared, came_at=came_at)


def asks_with_key(content: str = CONTENT) -> ClientRequest:
    return ClientRequest(DIGEST, content)


async def say(scene: Any, request: ClientRequest) -> Created:
    id = ids.new_message_id()
    messages = [(id, user_message(id, "hello"))]
    made: Created = await scene.store.threads.add(
        scene.thread_id, messages, create=False, request=request
    )
    return made


async def create_thread(scene: Any, request: ClientRequest, **how: Any) -> Created:
    thread_id = ids.new_thread_id(scene.thread_id[7:9])
    made: Created = await scene.store.threads.add(
        thread_id, [], create=True, request=request, **how
    )
    return made


async def deliver(scene: Any, created: Created) -> None:
    requests = scene.store.client_requests
    mark = requests.mark(scene.thread_id, asks())
    await requests.note_delivery(mark, created.id, created.made)


@pytest.fixture
def thread(scene: Any, run: Any) -> None:
    run(scene.store.threads.add(scene.thread_id, [], create=True))


@pytest.mark.usefixtures("thread")
async def test_a_repeat_gets_what_the_first_try_has_created(scene: Any) -> None:
    first = await say(scene, asks(ago=5))
    repeat = await say(scene, asks(1))
    assert (repeat.id, repeat.at, repeat.is_new) == (first.id, first.at, False)
    assert len(await scene.texts()) == 1


@pytest.mark.usefixtures("thread")
async def test_a_request_that_is_no_repeat_creates_another(scene: Any) -> None:
    first = await say(scene, asks(ago=5))
    assert (await say(scene, asks(0))).is_new
    assert (await say(scene, asks(1))).id == first.id
    assert len(await scene.texts()) == 2


@pytest.mark.usefixtures("thread")
async def test_a_repeat_that_comes_too_soon_is_somebody_elses(scene: Any) -> None:
    await say(scene, asks())
    assert (await say(scene, asks(1))).is_new


@pytest.mark.usefixtures("thread")
async def test_two_repeats_never_get_the_same_object(scene: Any) -> None:
    made = [await say(scene, asks(ago=5 - number)) for number in range(2)]
    found = [await say(scene, asks(1, ago=2)) for _ in range(3)]
    assert [one.id for one in found[:2]] == [one.id for one in made]
    assert found[2].is_new
    again = await say(scene, asks(2))  # the answer to a repeat was lost, too
    assert again.id in {one.id for one in found}


@pytest.mark.usefixtures("thread")
async def test_what_was_delivered_to_nobody_is_found_first(scene: Any) -> None:
    delivered, lost = await say(scene, asks(ago=5)), await say(scene, asks(ago=6))
    await deliver(scene, delivered)
    assert (await say(scene, asks(1))).id == lost.id
    assert (await say(scene, asks(1))).id == delivered.id


@pytest.mark.usefixtures("thread")
async def test_an_answer_that_was_sent_is_remembered_for_ten_seconds(scene: Any) -> None:
    created, key = await say(scene, asks()), scene.keys.request(scene.thread_id, DIGEST)
    assert await scene.ttl(key) == pytest.approx(600, abs=2)
    await deliver(scene, created)
    assert await scene.ttl(key) == pytest.approx(10, abs=2)


@pytest.mark.usefixtures("thread")
async def test_what_is_no_longer_remembered_is_not_found(scene: Any) -> None:
    created, key = await say(scene, asks(ago=20)), scene.keys.request(scene.thread_id, DIGEST)
    await deliver(scene, created)
    entry = (await scene.command("HGET", key, created.id)).split(" ")
    entry[1] = str(int(entry[1]) - 11_000)  # eleven seconds later
    await scene.command("HSET", key, created.id, " ".join(entry))
    assert (await say(scene, asks(1))).is_new
    assert await scene.command("HLEN", key) == 1


@pytest.mark.usefixtures("thread")
async def test_equal_requests_need_a_bounded_amount_of_memory(scene: Any) -> None:
    for _ in range(40):
        await deliver(scene, await say(scene, asks(ago=1)))
    key = scene.keys.request(scene.thread_id, DIGEST)
    assert await scene.command("HLEN", key) == 32


# ---- keys ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("thread")
async def test_a_key_gives_the_same_object_for_a_day(scene: Any) -> None:
    first, again = await say(scene, asks_with_key()), await say(scene, asks_with_key())
    assert (again.id, again.at, again.is_new) == (first.id, first.at, False)
    key = scene.keys.request(scene.thread_id, DIGEST)
    assert await scene.ttl(key) == pytest.approx(86_400, abs=2)


@pytest.mark.usefixtures("thread")
async def test_a_key_with_other_content_is_refused(scene: Any) -> None:
    first = await say(scene, asks_with_key())
    with pytest.raises(errors.IdempotencyMismatch, match=first.id):
        await say(scene, asks_with_key("00"))
    assert len(await scene.texts()) == 1


async def test_a_run_is_found_by_its_request(scene: Any) -> None:
    for request, again in ((asks(ago=5), asks(1)), (asks_with_key(), asks_with_key())):
        new = [replace(scene.new_run(), client_request=one) for one in (request, again)]
        first, second = [await scene.store.runs.enqueue(one) for one in new]
        assert (first.run_id, first.created) == (new[0].run_id, True)
        assert (second.run_id, second.created) == (first.run_id, False)
        assert second.created_at == first.created_at
    other = replace(scene.new_run(), client_request=asks_with_key("00"))
    with pytest.raises(errors.IdempotencyMismatch):
        await scene.store.runs.enqueue(other)


async def test_a_lost_run_is_found_though_it_holds_the_thread(scene: Any) -> None:
    new = [
        replace(scene.new_run(when_busy="reject"), client_request=one)
        for one in (asks(ago=5), asks(1))
    ]
    first, second = [await scene.store.runs.enqueue(one) for one in new]
    assert second.run_id == first.run_id


async def test_assistants_and_files_are_found_by_their_requests(scene: Any) -> None:
    assistants, files = scene.store.assistants, scene.store.uploaded_files
    for requests in ((asks(ago=5), asks(1)), (asks_with_key(), asks_with_key())):
        definitions = [
            Definition(id=ids.new_assistant_id(), name="Ada", model="m") for _ in requests
        ]
        made = [
            await assistants.create_for(*one) for one in zip(requests, definitions, strict=True)
        ]
        assert {(one.id, one.at) for one in made} == {(definitions[0].id, made[0].at)}
        uploads = [FileContent(ids.new_file_id("2a"), "a.csv", b"1,2") for _ in requests]
        found = [
            await files.upload(file, purpose="assistants", request=request)
            for file, request in zip(uploads, requests, strict=True)
        ]
        assert found[0] == found[1]
        assert found[0].id == uploads[0].id
        assert not await scene.command("EXISTS", scene.keys.file(uploads[1].id))
    with pytest.raises(errors.IdempotencyMismatch):
        await assistants.create_for(asks_with_key("00"), definitions[1])


# ---- requests whose path does not tell whose the object is ---------------------------------------


async def test_an_unused_thread_is_found(scene: Any) -> None:
    first = await create_thread(scene, asks(ago=5, is_shared=True))
    await deliver(scene, first)
    assert (await create_thread(scene, asks(1, is_shared=True))).id == first.id


@pytest.mark.parametrize("use", ["message", "run", "metadata", "deletion"])
async def test_a_thread_that_somebody_uses_is_not_found(scene: Any, use: str) -> None:
    first = await create_thread(scene, asks(ago=5, is_shared=True))
    threads = scene.store.threads
    if use == "message":
        id = ids.new_message_id()
        await threads.add(first.id, [(id, user_message(id, "hello"))], create=False)
    elif use == "run":
        await scene.enqueue(thread_id=first.id)
    elif use == "metadata":
        await threads.update(first.id, metadata={"a": "b"})
    else:
        await threads.delete(first.id)
    assert (await create_thread(scene, asks(1, is_shared=True))).is_new


async def test_what_a_gateway_has_seen_in_use_is_not_found(scene: Any) -> None:
    first = await create_thread(scene, asks(ago=5, is_shared=True))
    requests = scene.store.client_requests
    await requests.forget(requests.mark(first.id, asks()), first.id)
    assert (await create_thread(scene, asks(1, is_shared=True))).is_new


async def test_of_many_equal_requests_only_what_was_not_delivered_is_found(scene: Any) -> None:
    for _ in range(31):
        await deliver(scene, await create_thread(scene, asks(ago=5, is_shared=True)))
    lost = await create_thread(scene, asks(ago=5, is_shared=True))
    assert (await create_thread(scene, asks(1, is_shared=True))).id == lost.id
    await deliver(scene, replace(lost, made=lost.id))
    assert (await create_thread(scene, asks(1, is_shared=True))).is_new


async def test_a_run_with_its_thread_is_found_until_it_is_cancelled(scene: Any) -> None:
    def new(request: ClientRequest) -> Any:
        thread_id = ids.new_thread_id(scene.thread_id[7:9])
        return replace(scene.new_run(thread_id=thread_id), client_request=request)

    first = await scene.store.runs.enqueue(new(asks(ago=5, is_shared=True)))
    second = await scene.store.runs.enqueue(new(asks(1, ago=2, is_shared=True)))
    assert second.run_id == first.run_id
    await scene.store.runs.cancel(first.run_id)
    third = await scene.store.runs.enqueue(new(asks(2, is_shared=True)))
    assert third.created
