"""What tests of the store use: a store whose answers can be lost, and a thread in it.

All of them run on each kind of server; see `tests.support.servers.programs`. The `conftest.py` of
a folder imports what is here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.conftest import NAMESPACE, Run
from tests.support.servers.cluster import ClusterServer
from tests.support.servers.pool import Servers
from tests.support.servers.programs import KINDS, default_kind, is_to_be_had
from tests.support.servers.redis_server import RedisServer
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import Scene

from threadmill_shared import ids
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_shared.store.subscription import ChannelSubscription


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server_kind" in metafunc.fixturenames:
        only = metafunc.config.getoption("server")
        kinds = [only] if only else [*KINDS]
        if metafunc.definition.get_closest_marker("any_server"):
            kinds = [kinds[0] if kinds[0] != "cluster" else default_kind()]
        if metafunc.definition.get_closest_marker("one_server"):
            kinds = [kind for kind in kinds if kind != "cluster"]
        metafunc.parametrize("server_kind", kinds, scope="session")


@pytest.fixture
def redis_server(servers: Servers, server_kind: str) -> RedisServer | ClusterServer:
    """A server of the kind that the test is to run on."""
    try:
        return servers.get(server_kind)
    except FileNotFoundError as missing:
        if "CI" in os.environ and is_to_be_had(server_kind):
            raise
        pytest.skip(str(missing))


@pytest.fixture
def client(redis_url: str, run: Run) -> Iterator[LossyClient]:
    client = LossyClient(connect(redis_url), NAMESPACE)
    yield client
    run(client.aclose())
    assert not client.harm, f"a repeated call changed {client.harm}"


@pytest.fixture
def notifications(redis_url: str, run: Run) -> Iterator[Notifications]:
    """Hears what is published."""
    client = connect(redis_url, socket_timeout=None)
    notifications = Notifications(ChannelSubscription(client))
    yield notifications
    run(notifications.close())
    run(client.aclose())


@pytest.fixture
def scene(store: Store) -> Scene:
    """A thread that nobody has spoken in yet."""
    return Scene(store, ids.new_thread_id())
