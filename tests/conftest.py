"""What every test may ask for: a loop to run in, a Redis of its own, a store on it.

A test may be `async def`: it runs in the loop of the fixture `run`, which closes with the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from tests.contents import read_contents
from tests.leaks import leaks
from tests.servers import RedisServer
from tests.slots import one_slot_per_script

from threadmill_shared.connections import StoreClient, connect
from threadmill_shared.store import Store

NAMESPACE = "tm"

_REPORT = pytest.StashKey[list[str]]()

Run = Callable[[Coroutine[Any, Any, Any]], Any]


# ---- running -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def run() -> Iterator[Run]:
    """Runs a coroutine and returns its result; all of one test in the same loop."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    fixtures: dict[str, Any] = pyfuncitem.funcargs
    names = inspect.signature(pyfuncitem.function).parameters
    fixtures["run"](pyfuncitem.function(**{name: fixtures[name] for name in names}))
    return True


# ---- the server --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server per test process, without persistence."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database."""
    return redis_server.fresh_database()


@pytest.fixture
def client(redis_url: str, run: Run) -> Iterator[StoreClient]:
    """A connection to the empty database, as the store makes it."""
    client = connect(redis_url)
    yield client
    run(client.aclose())


@pytest.fixture
def store(client: StoreClient, redis_url: str, run: Run) -> Iterator[Store]:
    """A store in an empty database.

    After the test, nothing may be left for ever by accident, and no script may have left its slot.
    """
    store = Store(client, NAMESPACE)
    with one_slot_per_script(redis_url):
        yield store
    left = leaks(run(read_contents(client, NAMESPACE)))
    run(store.close())
    assert not left, "\n".join(left)


# ---- reporting ---------------------------------------------------------------------------------


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes text that is printed at the end, also where pytest captures output."""
    return pytestconfig.stash.setdefault(_REPORT, []).append


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for text in config.stash.get(_REPORT, []):
        terminalreporter.section(text.partition("\n")[0])
        terminalreporter.write_line(text.partition("\n")[2])
