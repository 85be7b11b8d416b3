"""A kept connection gives each question its own answers, whatever became of the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis import exceptions as redis_errors
from tests.conftest import Run
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.silent_proxy import Proxy

from threadmill_shared.store.connections import StoreClient, connect, is_passing
from threadmill_shared.store.pinned_connection import PinnedConnection

ID = ("CLIENT", "ID")

pytestmark = pytest.mark.any_server


@pytest.fixture
def client(redis_url: str, run: Run) -> Iterator[StoreClient]:
    client = connect(redis_url, socket_timeout=0.5)
    yield client
    run(client.aclose())


@pytest.fixture
def kept(client: StoreClient) -> PinnedConnection:
    return PinnedConnection(client)


async def test_all_questions_go_over_one_connection_together_and_one_by_one(kept):
    [first] = await kept.ask([ID])
    assert await kept.ask([("ECHO", "a"), ID, ("ECHO", "b")]) == ["a", first, "b"]
    assert await asyncio.gather(*(kept.ask([ID, ("ECHO", n)]) for n in range(50))) == [
        [first, str(n)] for n in range(50)
    ]


async def test_an_error_is_raised_and_the_answers_behind_it_belong_to_their_question(kept):
    [first] = await kept.ask([ID])
    with pytest.raises(redis_errors.ResponseError, match="unknown command"):
        await kept.ask([("ECHO", "a"), ("NOTHING",), ("ECHO", "b")])
    assert await kept.ask([ID]) == [first]


async def test_after_its_loss_the_next_question_connects_anew(kept, client):
    [first] = await kept.ask([ID])
    await client.execute_command("CLIENT", "KILL", "ID", first)
    with pytest.raises(redis_errors.ConnectionError):
        await kept.ask([ID])
    assert await kept.ask([ID]) != [first]


@pytest.mark.parametrize("gives_up", ["the caller", "the connection"])
async def test_an_answer_that_nobody_waited_for_is_no_answer_to_the_next_question(kept, gives_up):
    with pytest.raises((TimeoutError, redis_errors.TimeoutError)):
        async with asyncio.timeout(0.1 if gives_up == "the caller" else None):
            await kept.ask([("BLPOP", "nothing", "1"), ("ECHO", "late")])
    assert await kept.ask([("ECHO", "new")]) == ["new"]


async def test_a_connection_that_the_system_gives_up_answers_nothing(kept):
    await kept.ask([ID])
    asking = asyncio.ensure_future(kept.ask([("BLPOP", "nothing", "0.4"), ID]))
    await asyncio.sleep(0.05)
    kept._connection._reader.set_exception(TimeoutError(110, "Connection timed out"))
    with pytest.raises(redis_errors.TimeoutError):
        await asking
    assert await kept.ask([("ECHO", "new")]) == ["new"]


async def test_a_server_that_has_become_a_replica_is_left_for_the_one_at_its_address(tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with RedisServer(folders[0]) as first, RedisServer(folders[1]) as second:
        async with Proxy(first.port) as proxy:
            client = connect(f"redis://127.0.0.1:{proxy.port}/0")
            kept = PinnedConnection(client)
            assert await kept.ask([("SET", "a", 1)]) == ["OK"]
            with first.connected() as admin:
                admin.replicaof("127.0.0.1", "1")  # it need not have the data
            proxy.lead_to(second.port)

            [refusal] = await kept.ask_each([("EVAL", "return redis.call('SET', 'a', 2)", 0)])
            assert is_passing(refusal)
            assert await kept.ask([("SET", "a", 2)]) == ["OK"]
            await client.aclose()


async def test_each_of_several_slow_answers_has_a_time_of_its_own(kept):
    slow = ("BLPOP", "nothing", "0.3")
    assert await kept.ask([slow, slow, slow, ("ECHO", "a")]) == [None, None, None, "a"]
