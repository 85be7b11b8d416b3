"""What every test may ask for: a loop to run in, a Redis of its own, a store on it.

A test may be `async def`: it runs in the loop of the fixture `run`, which closes with the test.
"""

from __future__ import annotations

import asyncio
import inspect
import signal
import tempfile
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support.followed_runs import MADE_UP_LOG, FollowedRuns
from tests.support.parity_table import ParityTable
from tests.support.scheduling import (
    APART,
    QUIET,
    TOGETHER,
    Groups,
    MachineLock,
    group,
    put_quiet_ones_last,
)
from tests.support.servers.pool import Servers
from tests.support.servers.programs import KINDS, default_kind
from tests.support.servers.redis_server import RedisServer
from tests.support.store.contents import read_contents
from tests.support.store.leaks import leaks
from tests.support.store.slots import one_slot_per_script

from threadmill_shared.store.connections import StoreClient, connect
from threadmill_shared.store.store import Store

NAMESPACE = "tm"

_REPORT = "report"
_LOCK = pytest.StashKey[MachineLock]()
_SHARED = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", choices=KINDS, help="the one kind of server to test with")
    parser.addoption(
        "--monitoring", action="store_true", help="also what needs Debian's package prometheus"
    )
    parser.addoption(
        "--browser", action="store_true", help="also what needs Debian's package chromium"
    )
    parser.addoption(
        "--every-client", action="store_true", help="also versions of clients that few still use"
    )
    parser.addoption(
        "--every-api", action="store_true", help="with either model API, also where one is enough"
    )


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Real servers without persistence, one of a kind per test process."""
    with Servers(tmp_path_factory.mktemp) as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_server(servers: Servers, pytestconfig: pytest.Config) -> RedisServer:
    """The server of all tests that one kind is enough for."""
    kind = pytestconfig.getoption("server")
    server = servers.get(default_kind() if kind in (None, "cluster") else kind)
    assert isinstance(server, RedisServer)
    return server


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


# ---- side by side ------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        f"{QUIET}: measures; nothing else is tested meanwhile",
        f"{APART}: any process may execute it, whoever executes the rest of its module",
        "any_server: one kind of server is enough",
        "one_server: a test of the store that says nothing of a cluster",
        "monitoring: needs Debian's package prometheus, and --monitoring",
        "browser: needs Debian's package chromium, and --browser",
        "every_client: plays an old version of a client, and needs --every-client",
        "any_api: one of the model APIs is enough; --every-api has both",
        f"{MADE_UP_LOG}: its log has events that no worker writes, or not in this order",
        f"{TOGETHER}(name): one process executes all tests of this name",
    ):
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(Reports())
    config.pluginmanager.register(ParityTable())
    config.pluginmanager.register(FollowedRuns())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Of nohup, or of a script that goes on meanwhile: what tests start would not hear Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if folder := _shared_folder(config):
        config.stash[_LOCK] = MachineLock(folder)
    elif config.getoption("numprocesses", None):
        config.stash[_SHARED] = tempfile.TemporaryDirectory(prefix="threadmill-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if lock := config.stash.get(_LOCK, None):
        lock.close()
    if folder := config.stash.get(_SHARED, None):
        folder.cleanup()


def _shared_folder(config: pytest.Config) -> Path | None:
    """The folder of all processes that execute tests; None where there is only one."""
    folder = getattr(config, "workerinput", {}).get("shared_folder")
    return Path(folder) if folder else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist where the folder is."""
    node.workerinput["shared_folder"] = node.config.stash[_SHARED].name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Share tests out to processes by their groups."""
    from xdist.scheduler import LoadScopeScheduling

    groups = Groups(Path(config.stash[_SHARED].name))

    class ByGroup(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]  # xdist may be missing
        def _split_scope(self, nodeid: str) -> str:
            return groups.of(nodeid)

    return ByGroup(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    yield
    if not config.getoption("--every-api"):
        _ask_one_api(config, items)
    if not config.getoption("--monitoring"):
        _skip(items, "monitoring", "needs Prometheus: `make monitoring`, or `make test-all`")
    if not config.getoption("--browser"):
        _skip(items, "browser", "needs Chromium: `make browser`, or `make test-all`")
    if not config.getoption("--every-client"):
        _skip(items, "every_client", "takes long: `make clients`, or `make test-all`")
    put_quiet_ones_last(items)
    if folder := _shared_folder(config):
        Groups(folder).write(items, config.workerinput["workerid"])  # type: ignore[attr-defined]


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    """Leave to `make test-all` what needs a program that CI does not install, or takes long."""
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


def _ask_one_api(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would only be said again, to the other model API."""

    def says_nothing_new(item: pytest.Item) -> bool:
        params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        return bool(item.get_closest_marker("any_api")) and params.get("api") == "chat"

    left_out = [item for item in items if says_nothing_new(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    lock = item.config.stash.get(_LOCK, None)
    if lock is None:
        return (yield)
    lock.acquire(alone=group(item) == QUIET)
    try:
        return (yield)
    finally:
        # What a group's fixtures have started goes on between its tests, and would be heard.
        if nextitem is None or group(nextitem) != group(item):
            lock.release()


# ---- reporting ---------------------------------------------------------------------------------


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes text that is printed at the end, also where pytest captures output."""
    return lambda text: request.node.user_properties.append((_REPORT, text))


class Reports:
    """Prints at the end what tests have reported, whichever process has executed them."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":  # each of a test's three reports has them all
            self._texts += [str(text) for name, text in report.user_properties if name == _REPORT]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for text in self._texts:
            terminalreporter.section(text.partition("\n")[0])
            terminalreporter.write_line(text.partition("\n")[2])
