"""A server that cannot be used is named with its cause: unreachable is not a wrong password."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.integration.doctor.conftest import examine
from tests.support.servers.certificates import Authority, needs_openssl
from tests.support.servers.cluster import ClusterServer
from tests.support.servers.ports import free_port
from tests.support.servers.raw_provider import RawProvider
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.tls import TlsRedis

from threadmill_shared.errors import StoreUnavailable
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

MakeRedis = Callable[..., RedisServer]
SECRET = "Winter-2031"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def only_finding(url: str) -> tuple[str, str]:
    """Cause and cure of the one error about Redis."""
    found = await examine(url)
    assert found.states("redis.") == {"redis.reachable": "error"}
    return found["redis.reachable"].cause, found["redis.reachable"].cure


async def test_a_server_at_which_nothing_listens() -> None:
    cause, cure = await only_finding(f"redis://127.0.0.1:{free_port()}/0")
    assert "cannot be reached: nothing listens at this address" in cause
    assert "Start the server" in cure


async def test_a_host_whose_name_is_not_known() -> None:
    cause, cure = await only_finding("redis://no-such-host.invalid:6379/0")
    assert cause == "no-such-host.invalid:6379 cannot be reached: its host name is not known"
    assert "THREADMILL_REDIS_URL" in cure


async def test_a_server_that_does_not_answer_is_found_within_seconds(silent_port: int) -> None:
    begun = time.monotonic()
    cause, _ = await only_finding(f"redis://127.0.0.1:{silent_port}/0")
    assert "cannot be reached: it does not answer in time" in cause
    assert time.monotonic() - begun < 10


async def test_a_frozen_server(make_redis: MakeRedis) -> None:
    server = make_redis()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        cause, cure = await only_finding(server.url())
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert "it does not answer in time" in cause
    assert "frozen" in cure


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    cause, _ = await only_finding(f"unix://{tmp_path}/none.sock")
    assert "there is no such socket" in cause


def protected(server: RedisServer) -> RedisServer:
    """The server, with a password from now on."""
    with server.connected() as client:
        client.config_set("requirepass", SECRET)
    return server


async def test_sentinels_that_cannot_be_reached() -> None:
    cause, cure = await only_finding(f"redis+sentinel://127.0.0.1:{free_port()}/main/0")
    assert "no sentinel that answers knows a primary of this service" in cause
    assert "sentinels run" in cure


async def test_commands_ask_for_a_missing_password_in_the_same_words(
    make_redis: MakeRedis,
) -> None:
    store = Store(connect(protected(make_redis()).url()), "tm", patience=0.1)
    with pytest.raises(StoreUnavailable) as raised:
        await store.threads.record("thread_01_gone")
    await store.close()
    assert "requires a password, and the URL has none" in str(raised.value)
    assert "HELLO" not in str(raised.value)


async def test_a_wrong_password_a_missing_one_and_one_too_many(make_redis: MakeRedis) -> None:
    server = protected(make_redis())
    for login, words in {
        ":wrong-secret@": "it rejects the user name and password",
        "nobody:wrong-secret@": "it rejects the user name and password",
        "": "it requires a password, and the URL has none",
    }.items():
        cause, cure = await only_finding(server.url().replace("://", f"://{login}"))
        assert f"cannot be used: {words}" in cause
        assert "wrong-secret" not in cause + cure
    found = await examine(server.url().replace("://", f"://:{SECRET}@"))
    assert found["redis.password"].cause == "it requires a password"
    assert SECRET not in str(found.findings)

    # Redis takes any password of the default user if it has none itself, but not this form.
    open_server = make_redis()
    cause, _ = await only_finding(open_server.url().replace("://", "://someone:secret@"))
    assert "it rejects the user name and password" in cause


async def test_a_database_that_the_server_does_not_have(make_redis: MakeRedis) -> None:
    cause, cure = await only_finding(make_redis().url(9999))
    assert "it has no database of this number" in cause
    assert "`databases`" in cure


async def test_another_service_than_redis() -> None:
    with RawProvider() as provider:
        port = urlsplit(provider.base_url).port
        cause, _ = await only_finding(f"redis://127.0.0.1:{port}/0")
    assert "what answers there is not Redis" in cause


async def test_a_server_in_protected_mode(make_redis: MakeRedis) -> None:
    address = outer_address()
    server = make_redis("--bind", f"127.0.0.1 {address}")
    cause, cure = await only_finding(f"redis://{address}:{server.port}/0")
    assert "cannot be used: it is in protected mode" in cause
    assert "requirepass" in cure


async def test_a_server_that_others_reach_without_a_password_and_tls(make_redis: MakeRedis) -> None:
    address = outer_address()
    server = make_redis("--bind", f"127.0.0.1 {address}", "--protected-mode", "no")
    found = await examine(f"redis://{address}:{server.port}/0")
    assert found["redis.password"].state == found["redis.tls"].state == "warning"
    assert "requirepass" in found["redis.password"].cure
    # Over its loopback, its settings say that others can reach it; the way to it is safe.
    everywhere = make_redis("--bind", "*", "--protected-mode", "no")
    found = await examine(everywhere.url())
    assert found["redis.password"].state == "warning"
    assert found["redis.tls"].state == "ok"


def outer_address() -> str:
    """An address of this machine that is not its loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback's")
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but its loopback's")
    return address


async def test_as_many_clients_as_the_server_takes(make_redis: MakeRedis) -> None:
    server = make_redis("--maxclients", "2")
    with server.connected() as one, server.connected() as two:
        one.ping()
        two.ping()
        cause, cure = await only_finding(server.url())
    assert "maxclients" in cause
    assert "maxclients" in cure


async def test_a_node_of_a_cluster_and_a_cluster_that_is_none(
    make_redis: MakeRedis, tmp_path: Path
) -> None:
    cause, cure = await only_finding(f"redis+cluster://127.0.0.1:{make_redis().port}")
    assert "it is not a Cluster" in cause
    assert "redis://" in cure
    folder = tmp_path / "cluster"
    folder.mkdir()
    with ClusterServer(folder) as cluster:
        url = cluster.fresh_database()
        broker = make_redis().url()
        found = await examine(url, broker_url=broker)
        assert found["redis.reachable"].state == found["redis.rights"].state == "ok"
        assert "redis.mode" not in found.states()
        assert found["workers.alive"].cause.startswith("no worker is alive")
        alone = await examine(url)
        assert alone["broker.configured"].state == "error"
        assert "THREADMILL_BROKER_URL" in alone["broker.configured"].cure
        found = await examine(url.replace("redis+cluster://", "redis://").partition(",")[0])
        assert found["redis.mode"].state == "error"
        assert "redis+cluster://" in found["redis.mode"].cure


@needs_openssl
async def test_certificates(tmp_path: Path, make_redis: MakeRedis) -> None:
    authority = Authority(tmp_path / "ca")
    other = Authority(tmp_path / "other")
    folder = tmp_path / "tls"
    folder.mkdir()
    own = authority.sign("server", "IP:127.0.0.1")
    with TlsRedis(folder, authority, own) as server:
        cause, cure = await only_finding(server.url())
        assert "cannot be used: the server's certificate could not be verified" in cause
        assert "ssl_ca_certs=" in cure
        cause, _ = await only_finding(f"{server.url()}?ssl_ca_certs={other.file}")
        assert "could not be verified" in cause
        found = await examine(f"{server.url()}?ssl_ca_certs={authority.file}")
        assert found["redis.tls"].cause == "TLS, and the certificate is trusted"
        cause, cure = await only_finding(server.url().replace("rediss:", "redis:"))
        assert "it closes the connection at once" in cause
        assert "rediss://" in cure
    cause, cure = await only_finding(make_redis().url().replace("redis:", "rediss:"))
    assert "does not answer in time" in cause
    assert "whether the URL has the right scheme" in cure


async def test_a_url_that_cannot_be_read_and_one_that_is_not_set() -> None:
    found = await examine(f"http://:{SECRET}@127.0.0.1:1")
    assert found["redis.configured"].state == "error"
    assert SECRET not in str(found.findings)


# ---- the broker -------------------------------------------------------------------------------


async def test_a_broker_that_is_the_store_is_not_ok_if_the_store_cannot_be_used(
    make_redis: MakeRedis,
) -> None:
    missing = await examine(f"redis://127.0.0.1:{free_port()}/0")
    refusing = await examine(protected(make_redis()).url())
    for found in (missing, refusing):
        assert found["broker.reachable"].state == "skipped"
        assert "it cannot be used" in found["broker.reachable"].cause


async def test_a_broker_of_its_own(make_redis: MakeRedis, silent_port: int) -> None:
    store = make_redis().url()
    broker = protected(make_redis(appendonly=True))
    right = broker.url().replace("://", f"://:{SECRET}@")
    found = await examine(store, broker_url=right)
    assert found["broker.reachable"].state == "ok"
    assert found["broker.persistence"].state == "ok"
    found = await examine(store, broker_url=right.replace(SECRET, "wrong"))
    assert "it rejects the user name and password" in found["broker.reachable"].cause
    assert "THREADMILL_BROKER_URL" in found["broker.reachable"].cure
    for url, words in {
        f"redis://127.0.0.1:{free_port()}/0": "nothing listens",
        f"amqp://127.0.0.1:{free_port()}//": "nothing listens",
        "amqp://no-such-host.invalid//": "its host name is not known",
        f"amqp://127.0.0.1:{silent_port}//": "it does not answer in time",
    }.items():
        found = await examine(store, broker_url=url)
        assert words in found["broker.reachable"].cause, url
        assert found["broker.reachable"].state == "error"
        assert found["redis.reachable"].state == "ok"
