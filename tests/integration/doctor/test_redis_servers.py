"""What is wrong with a Redis that answers: its rights, disk, memory, clock and role."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.doctor.conftest import examine
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.replication import ReplicatedRedis
from tests.support.waiting import wait_until

MakeRedis = Callable[..., RedisServer]
IGNORING_LIMITS = 'trap "" XFSZ; exec "$0" "$@"'
"""A program whose file has the size that is allowed gets an error, as on a full disk."""


async def test_a_server_as_it_should_be_has_no_finding_but_ok(make_redis: MakeRedis) -> None:
    server = make_redis("--maxmemory", "100mb", appendonly=True)
    found = await examine(server.url())
    assert found.states("redis.") == {}
    assert found["redis.version"].cause.startswith(("Redis ", "Valkey "))


async def test_an_examination_changes_nothing(make_redis: MakeRedis) -> None:
    server = make_redis()
    with server.connected() as client:
        before = client.info("keyspace")
        await examine(server.url())
        assert client.info("keyspace") == before == {}


async def test_a_user_without_rights(make_redis: MakeRedis) -> None:
    server = make_redis()
    with server.connected() as client:
        rights = ["+@all", "-publish", "-evalsha", "-info", "-config"]
        client.acl_setuser("poor", enabled=True, passwords=["+pw"], keys=["*"], commands=rights)
        client.execute_command("ACL", "SETUSER", "poor", "allchannels")
    found = await examine(server.url().replace("://", "://poor:pw@"))
    rights = found["redis.rights"]
    assert (rights.state, rights.cause.split(",")[0]) == (
        "error",
        "the user has no right for EVALSHA",
    )
    assert "PUBLISH" in rights.cause
    assert "ACL SETUSER" in rights.cure
    skipped = {name for name, state in found.states("redis.").items() if state == "skipped"}
    assert {"redis.version", "redis.memory", "redis.eviction", "redis.disk"} <= skipped


async def test_a_user_without_a_right_for_the_namespace(make_redis: MakeRedis) -> None:
    server = make_redis()
    with server.connected() as client:
        client.execute_command("ACL", "SETUSER", "alien", "on", ">pw", "~other:*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "own", "on", ">pw", "~threadmill:*", "&*", "+@all")
    found = await examine(server.url().replace("://", "://alien:pw@"), broker_url=server.url(1))
    assert found["redis.rights"].state == "error"
    # Nobody is to be told that all is well with a fleet that could not be read.
    assert found["workers.alive"].state == "error"
    assert "the user has no right for a command" in found["workers.alive"].cause
    assert found["workers.alive"].cure.startswith("Give the user its rights")
    found = await examine(server.url().replace("://", "://own:pw@"), broker_url=server.url(1))
    assert found["redis.rights"].state == found["broker.rights"].state == "ok"


async def test_a_user_without_a_right_for_what_celery_writes(make_redis: MakeRedis) -> None:
    server = make_redis()
    with server.connected() as client:
        client.execute_command("ACL", "SETUSER", "own", "on", ">pw", "~threadmill:*", "&*", "+@all")
        client.lpush("threadmill", "a message")
    url = server.url().replace("://", "://own:pw@")
    rights = (await examine(url))["redis.rights"]
    assert (rights.state, "Celery's keys" in rights.cause) == ("error", True)
    assert "BRPOP" in rights.cause
    found = await examine(server.url(), broker_url=url)
    assert (found["redis.rights"].state, found["broker.rights"].state) == ("ok", "error")
    assert "Give them: redis-cli ACL SETUSER" in found["broker.rights"].cure
    with server.connected() as client:
        assert client.lrange("threadmill", 0, -1) == ["a message"]


async def test_a_server_that_evicts(make_redis: MakeRedis) -> None:
    server = make_redis("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
    found = (await examine(server.url()))["redis.eviction"]
    assert (found.state, found.cause.partition(":")[0]) == (
        "error",
        "maxmemory-policy is allkeys-lru",
    )
    assert found.cure.startswith("redis-cli CONFIG SET maxmemory-policy noeviction")
    with server.connected() as client:
        client.config_set("maxmemory-policy", "noeviction")  # the cure
    assert (await examine(server.url()))["redis.eviction"].state == "ok"


async def test_a_server_whose_memory_becomes_scarce_and_full(make_redis: MakeRedis) -> None:
    server = make_redis()
    found = (await examine(server.url()))["redis.memory"]
    assert (found.state, found.cause.partition(",")[0]) == ("warning", "maxmemory is not set")
    with server.connected() as client:
        # The server makes it: a large command would lie in its buffers, too, until it frees them.
        client.setrange("ballast", 4_000_000, "x")
        used = client.info("memory")["used_memory"]
        for share, state, words in (
            (0.5, "ok", "of maxmemory is used"),
            (0.8, "warning", "at 90% no new runs are accepted"),
            (1.05, "error", "no new runs are accepted"),
        ):
            client.config_set("maxmemory", int(used / share))
            found = (await examine(server.url()))["redis.memory"]
            assert (found.state, words in found.cause) == (state, True), found
        client.config_set("maxmemory", 1)
        found = (await examine(server.url()))["redis.memory"]
        assert found.cause.startswith("more than all of maxmemory is used ("), found
        client.config_set("maxmemory", "1gb")  # the cure
    assert (await examine(server.url()))["redis.memory"].state == "ok"


async def test_a_server_that_does_not_persist(make_redis: MakeRedis) -> None:
    server = make_redis()
    found = (await examine(server.url()))["redis.persistence"]
    assert (found.state, found.cause.partition(":")[0]) == (
        "error",
        "neither append-only file nor snapshots",
    )
    with server.connected() as client:
        client.config_set("save", "900 1")
        found = (await examine(server.url()))["redis.persistence"]
        assert (found.state, "only snapshots" in found.cause) == ("warning", True)
        client.config_set("appendonly", "yes")  # the cure
        found = (await examine(server.url()))["redis.persistence"]
        assert (found.state, found.cause) == ("ok", "append-only file, appendfsync everysec")
        client.config_set("appendfsync", "no")
        found = (await examine(server.url()))["redis.persistence"]
        assert (found.state, "appendfsync no" in found.cause) == ("warning", True)


async def test_a_server_whose_disk_is_full(make_redis: MakeRedis) -> None:
    server = make_redis(appendonly=True, wrapper=("sh", "-c", IGNORING_LIMITS))
    disk = server.pid, resource.RLIMIT_FSIZE
    with server.connected() as client:
        client.config_set("save", "900 1")
        resource.prlimit(*disk, (4096, resource.RLIM_INFINITY))
        client.set("ballast", os.urandom(100_000))
        client.config_set("rdbcompression", "no")
        client.bgsave()
        for field in ("aof_last_write_status", "rdb_last_bgsave_status"):
            wait_until(partial(persistence_is, client, field, "err"), "a write has failed")
        found = (await examine(server.url()))["redis.disk"]
        assert found.state == "error"
        assert "its last write to the append-only file failed" in found.cause
        assert "its last snapshot failed" in found.cause
        assert "MISCONF" in found.cause
        assert "df -h" in found.cure

        resource.prlimit(*disk, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # the cure
        client.bgsave()
        for field in ("aof_last_write_status", "rdb_last_bgsave_status"):
            wait_until(partial(persistence_is, client, field, "ok"), "a write has succeeded")
    assert (await examine(server.url()))["redis.disk"].state == "ok"


def persistence_is(client: Any, field: str, value: str) -> bool:
    return bool(client.info("persistence")[field] == value)


async def test_a_clock_that_is_off_by_half_a_minute(make_redis: MakeRedis) -> None:
    server = make_redis()
    for shift, words in {30: "30 s behind this machine's", -30: "30 s ahead of this"}.items():
        found = await examine(server.url(), clock=lambda by=shift: time.time() + by)
        assert found["redis.clock"].state == "warning"
        assert words in found["redis.clock"].cause
        assert "NTP" in found["redis.clock"].cure
    assert (await examine(server.url()))["redis.clock"].state == "ok"


async def test_a_replica_takes_no_writes_and_a_primary_knows_its_replicas(tmp_path: Path) -> None:
    with ReplicatedRedis(tmp_path) as replicated:
        primary, replica = replicated.primary, replicated.replica
        found = (await examine(replica.url()))["redis.replication"]
        assert found.state == "error"
        assert f"is a replica of 127.0.0.1:{primary.port}" in found.cause
        alive = (await examine(replica.url()))["workers.alive"]
        assert (alive.state, "it is a replica, which refuses" in alive.cause) == ("skipped", True)
        assert "redis+sentinel://" in found.cure
        found = (await examine(primary.url()))["redis.replication"]
        assert (found.state, found.cause) == ("ok", "1 replicas, all online")
