"""append: what a token that arrives alone costs Redis: bytes of the append-only file, commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.support.servers.redis_server import RedisServer
from tests.support.store.scene import Scene, write_partly

from threadmill_shared import ids
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

TOKENS = 100


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path, appendonly=True) as server:
        yield server


@pytest.fixture
def held(server: RedisServer, run: Run) -> Iterator[HeldRun]:
    """A run in the middle of a message; its keys are as long as those of users."""
    store = Store(connect(server.url()), "threadmill")

    async def begin() -> HeldRun:
        held = await Scene(store, ids.new_thread_id()).begin()
        await write_partly(held, "Well, ")
        return held

    yield run(begin())
    run(store.close())


async def write_alone(held: HeldRun, tokens: int) -> None:
    for number in range(tokens):
        held.delta(0, f"word{number} ")
        await held.stored()


async def test_a_token_takes_less_than_three_hundred_bytes_of_the_file(
    server: RedisServer, held: HeldRun
) -> None:
    with server.connected() as redis:
        before = redis.info("persistence")["aof_current_size"]
        await write_alone(held, TOKENS)
        written = redis.info("persistence")["aof_current_size"] - before

    assert 150 * TOKENS < written <= 310 * TOKENS


async def test_a_token_is_written_with_five_commands(server: RedisServer, held: HeldRun) -> None:
    with server.connected() as redis:
        redis.config_resetstat()
        await write_alone(held, TOKENS)
        stats = redis.info("commandstats")

    calls = {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}
    for alone in ("info", "config|resetstat"):
        calls.pop(alone, None)
    assert calls.pop("evalsha") == TOKENS
    assert calls == dict.fromkeys(("time", "hmget", "hset", "xadd", "publish"), TOKENS)
