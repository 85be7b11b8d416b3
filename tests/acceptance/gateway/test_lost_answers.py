"""Answers get lost behind the gateway, and OpenAI's package sends its requests again."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_runs import ADD, outputs_of, thread_saying
from tests.support.servers.losing_proxy import LosingProxy

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")


@dataclass
class Lossy:
    """A gateway whose first answer to each request is lost."""

    served: Served
    proxy: LosingProxy
    has_key: bool

    def client(self) -> openai.OpenAI:
        return self.served.client(**self._options())

    def async_client(self) -> openai.AsyncOpenAI:
        return self.served.async_client(**self._options())

    def _options(self) -> dict[str, Any]:
        return {"base_url": f"http://127.0.0.1:{self.proxy.port}/v1", "max_retries": 2}

    def key(self) -> dict[str, str]:
        """The headers of one request."""
        return {"Idempotency-Key": uuid.uuid4().hex} if self.has_key else {}

    def lost_ids(self, prefix: str) -> list[str]:
        """The ids of objects in the answers that were lost, in order, each once."""
        found = re.findall(
            rf'"({prefix}[_-][0-9a-f]{{24,}})"'.encode(), b"\n".join(self.proxy.lost)
        )
        return list(dict.fromkeys(id.decode() for id in found))


@pytest.fixture(
    scope="module",
    params=[(True, False), (False, False), (True, True)],
    ids=["kept connection, no key", "closed connection, no key", "kept connection, key"],
)
def lossy_gateway(served: Served, request: pytest.FixtureRequest) -> Iterator[Lossy]:
    keeps, has_key = request.param
    port = int(served.gateway.url.rpartition(":")[2])
    with LosingProxy(port, keeps_connections=keeps) as proxy:
        yield Lossy(served, proxy, has_key)


@pytest.fixture
def lossy(lossy_gateway: Lossy) -> Lossy:
    lossy_gateway.proxy.lost.clear()
    lossy_gateway.proxy.requests.clear()
    return lossy_gateway


@pytest.fixture
def direct(served: Served) -> openai.OpenAI:
    return served.client()


@pytest.fixture(scope="module")
def assistant_id(served: Served) -> str:
    return served.client().beta.assistants.create(model="gpt-5.4-mini", tools=[ADD]).id


SAYS: Any = [{"role": "user", "content": "tokens=2"}]


async def test_each_request_that_creates_something_creates_one(
    lossy: Lossy, direct: openai.OpenAI, assistant_id: str
) -> None:
    """All at a time, since each waits for half a second before it is sent again."""
    thread_id, name = direct.beta.threads.create().id, uuid.uuid4().hex
    other_id = thread_saying(direct, "hello")
    async with lossy.async_client() as client:
        threads = client.beta.threads
        made = await asyncio.gather(
            client.beta.assistants.create(model="m", name=name, extra_headers=lossy.key()),
            client.files.create(
                file=(f"{name}.txt", b"1"), purpose="assistants", extra_headers=lossy.key()
            ),
            threads.create(metadata={"of": name}, extra_headers=lossy.key()),
            threads.create(metadata={"of": name}, messages=SAYS, extra_headers=lossy.key()),
            threads.messages.create(
                thread_id, role="user", content=name, extra_headers=lossy.key()
            ),
            threads.runs.create(other_id, assistant_id=assistant_id, extra_headers=lossy.key()),
            threads.create_and_run(
                assistant_id=assistant_id,
                thread={"messages": SAYS, "metadata": {"of": name}},
                extra_headers=lossy.key(),
            ),
        )
    assert len(lossy.proxy.requests) == 2 * len(made)
    lost = lossy.lost_ids("(?:asst|thread|msg|run|file)")
    assert {one.id for one in made} <= set(lost)
    assert len([one for one in direct.beta.assistants.list() if one.name == name]) == 1
    assert len([one for one in direct.files.list() if one.filename == f"{name}.txt"]) == 1
    assert len(direct.beta.threads.messages.list(thread_id).data) == 1
    assert len(direct.beta.threads.runs.list(other_id).data) == 1
    run = made[-1]
    assert len(direct.beta.threads.runs.list(run.thread_id).data) == 1
    assert run.thread_id in lost


def test_a_stream_that_was_lost_is_that_of_the_same_run(
    lossy: Lossy, direct: openai.OpenAI, assistant_id: str
) -> None:
    client, thread_id = lossy.client(), thread_saying(direct, "tokens=3")
    with client.beta.threads.runs.stream(
        thread_id=thread_id, assistant_id=assistant_id, extra_headers=lossy.key()
    ) as stream:
        names = [event.event for event in stream]
        run = stream.get_final_run()
    assert run.status == "completed"
    assert names[0] == "thread.run.created"
    assert "".join(text_of(direct, thread_id)) == "1 2 3 "
    assert [one.id for one in direct.beta.threads.runs.list(thread_id)] == [run.id]
    assert lossy.lost_ids("run") in ([], [run.id])


def test_a_thread_that_was_lost_with_its_stream_is_the_same(
    lossy: Lossy, direct: openai.OpenAI, assistant_id: str
) -> None:
    with lossy.client().beta.threads.create_and_run_stream(
        assistant_id=assistant_id,
        thread={"messages": [{"role": "user", "content": "tokens=3"}]},
        extra_headers=lossy.key(),
    ) as stream:
        names = [event.event for event in stream]
        run = stream.get_final_run()
    assert names[:2] == ["thread.created", "thread.run.created"]
    assert [run.thread_id] == lossy.lost_ids("thread")
    assert "".join(text_of(direct, run.thread_id)) == "1 2 3 "


@pytest.mark.parametrize("is_streamed", [False, True], ids=["poll", "stream"])
def test_outputs_are_taken_once(
    lossy: Lossy, direct: openai.OpenAI, assistant_id: str, is_streamed: bool
) -> None:
    runs, thread_id = direct.beta.threads.runs, thread_saying(direct, "call add {}")
    run = runs.create_and_poll(thread_id=thread_id, assistant_id=assistant_id)
    where: Any = {"thread_id": thread_id, "run_id": run.id, "tool_outputs": outputs_of(run)}
    lossy_runs = lossy.client().beta.threads.runs
    if is_streamed:
        with lossy_runs.submit_tool_outputs_stream(**where) as stream:
            names = [event.event for event in stream]
            assert stream.get_final_run().status == "completed"
        assert names[0] == "thread.run.step.completed"
        assert names.count("thread.run.step.completed") == 2
    else:
        assert lossy_runs.submit_tool_outputs(**where).id == run.id
    assert len(lossy.proxy.lost) == 1
    ended = runs.poll(run.id, thread_id=thread_id)
    assert ended.status == "completed"
    assert [one.type for one in runs.steps.list(run.id, thread_id=thread_id)] == [
        "message_creation",
        "tool_calls",
    ]


async def test_what_is_cancelled_or_deleted_twice_is_gone(
    lossy: Lossy, direct: openai.OpenAI, assistant_id: str
) -> None:
    threads, files = direct.beta.threads, direct.files
    thread_id = thread_saying(direct, "call add {}")
    run = threads.runs.create_and_poll(thread_id=thread_id, assistant_id=assistant_id)
    another, third = threads.create().id, thread_saying(direct, "hello")
    message = threads.messages.list(third).data[0]
    file = files.create(file=("a.txt", b"1"), purpose="assistants")
    assistant = direct.beta.assistants.create(model="m")
    async with lossy.async_client() as client:
        cancelled, *deleted = await asyncio.gather(
            client.beta.threads.runs.cancel(run.id, thread_id=thread_id),
            client.beta.threads.delete(another),
            client.beta.threads.messages.delete(message.id, thread_id=third),
            client.files.delete(file.id),
            client.beta.assistants.delete(assistant.id),
        )
    assert cancelled.status == "cancelled"
    assert all(one.deleted for one in deleted)
    assert len(lossy.proxy.lost) == 5
    with pytest.raises(openai.BadRequestError, match="Cannot cancel run"):
        threads.runs.cancel(run.id, thread_id=thread_id)
    with pytest.raises(openai.NotFoundError):
        threads.delete(another)


async def test_two_equal_requests_leave_two(lossy: Lossy, direct: openai.OpenAI) -> None:
    thread_id = direct.beta.threads.create().id
    async with lossy.async_client() as client:
        threads = client.beta.threads

        async def twice(create: Callable[[dict[str, str]], Awaitable[Any]]) -> list[str]:
            first = await create(lossy.key())
            return [first.id, (await create(lossy.key())).id]

        made = await asyncio.gather(
            twice(lambda key: client.beta.assistants.create(model="m", extra_headers=key)),
            twice(lambda key: threads.create(extra_headers=key)),
            twice(
                lambda key: threads.messages.create(
                    thread_id, role="user", content="hello", extra_headers=key
                )
            ),
            twice(
                lambda key: client.files.create(
                    file=("a.txt", b"1"), purpose="assistants", extra_headers=key
                )
            ),
        )
    for prefix, ids in zip(("asst", "thread", "msg", "file"), made, strict=True):
        assert len({*ids}) == 2
        assert set(lossy.lost_ids(prefix)) - {thread_id} == {*ids}
    assert len(direct.beta.threads.messages.list(thread_id).data) == 2


def test_an_answer_that_is_lost_twice_is_found_again(lossy: Lossy, direct: openai.OpenAI) -> None:
    thread_id = direct.beta.threads.create().id
    lossy.proxy.losses = 2
    try:
        message = lossy.client().beta.threads.messages.create(
            thread_id, role="user", content="hello", extra_headers=lossy.key()
        )
    finally:
        lossy.proxy.losses = 1
    assert [one.id for one in direct.beta.threads.messages.list(thread_id)] == [message.id]
    assert len(lossy.proxy.lost) == 2


def test_equal_requests_of_several_at_a_time_leave_one_for_each(
    lossy: Lossy, direct: openai.OpenAI
) -> None:
    async def create() -> set[str]:
        async with lossy.async_client() as client:
            threads = client.beta.threads
            made = await asyncio.gather(
                *(threads.create(metadata={"a": "b"}, extra_headers=lossy.key()) for _ in range(8))
            )
            return {thread.id for thread in made}

    assert asyncio.run(create()) == {*lossy.lost_ids("thread")}
    assert len(lossy.lost_ids("thread")) == 8


def text_of(client: openai.OpenAI, thread_id: str) -> list[str]:
    return [
        part.text.value
        for message in client.beta.threads.messages.list(thread_id)
        for part in message.content
        if message.role == "assistant" and part.type == "text"
    ]
