"""The checks that all tests of the store rely on find what they are there to find."""

from __future__ import annotations

import pytest
from redis.exceptions import RedisClusterException, ResponseError
from tests.support.store.contents import read_contents
from tests.support.store.leaks import leaks
from tests.support.store.scene import Scene
from tests.support.store.slots import one_slot_per_script

from threadmill_shared.store.connections import connect


@pytest.fixture
def plain(redis_url, run):
    """A connection that no check follows."""
    client = connect(redis_url)
    yield client
    run(client.aclose())


@pytest.mark.parametrize(
    ("text", "keys", "wrong"),
    [
        ("return redis.call('GET', KEYS[1])", ["tm:{00}:a", "tm:{01}:b"], "keys of 2 slots"),
        ("return redis.call('GET', 'tm:{01}:b')", ["tm:{00}:a"], "outside of slot"),
        ("return redis.call('GET', 'tm:b')", ["tm:{00}:a"], "outside of slot"),
        ("return redis.call('RENAME', KEYS[1], 'tm:{01}:b')", ["tm:{00}:a"], "outside of slot"),
    ],
)
async def test_a_script_that_leaves_its_slot_is_found(plain, redis_url, text, keys, wrong):
    await plain.set("tm:{00}:a", 1)

    # A cluster refuses by itself what leaves the node; what stays on it is for us to find.
    refused = (RedisClusterException, ResponseError)
    words = f"{wrong}|same key slot|same slot|non local key"
    with (
        pytest.raises((AssertionError, *refused), match=words),
        one_slot_per_script(redis_url),
    ):
        await plain.eval(text, len(keys), *keys)


async def test_each_kind_of_server_is_the_one_that_it_is_called(redis_server, server_kind, report):
    version = redis_server.version()

    report(f"{server_kind}\nthe store was tested with {version}")
    names = {"redis-6.2": "Redis 6.2.", "valkey-9": "Valkey 9.", "cluster": "3 nodes of "}
    assert version.startswith(names.get(server_kind, ""))


async def test_a_script_that_stays_in_its_slot_is_not_found(plain, redis_url):
    with one_slot_per_script(redis_url):
        await plain.eval("redis.call('PUBLISH', 'a', 1) redis.call('TIME')", 1, "tm:{00}:a")
        await plain.eval("redis.call('SET', KEYS[1], ' tm:{01}:b \"x\" ')", 1, "tm:{00}:a")


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("SET", "tm:{00}:surprise", 1), "surprise"),
        (("PERSIST", "log"), "log"),
        (("EXPIRE", "run", 100), "run"),
        (("SET", "tm:{workers}:lease:host:1:aaaa", 1), "lease"),
        (("ZADD", "tm:{00}:dispatched", 1, "run_00"), "dispatched"),
        (("ZADD", "tm:{00}:holders", 1, "host:1:aaaa"), "holders"),
        (("XADD", "tm:{00}:items:thread_00", "1", "item", "{}"), "items"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_key_without_its_lifetime_is_found(store, plain, command, found):
    scene = Scene(store, "thread_00" + "0" * 30)
    ended = await scene.enqueue()
    await store.runs.cancel(ended.run_id)
    live = await scene.enqueue()
    named = {
        "log": store.session.keys.log(ended.run_id),
        "run": store.session.keys.run(live.run_id),
    }
    assert leaks(await read_contents(plain, "tm")) == []

    await plain.execute_command(command[0], named.get(command[1], command[1]), *command[2:])

    [leak] = leaks(await read_contents(plain, "tm"))
    assert found in leak
    await plain.flushdb()
