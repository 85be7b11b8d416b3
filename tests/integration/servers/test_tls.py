"""Servers with TLS: whom we talk to, whom we tell nothing, and what is said of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.support.servers.certificates import Authority, Certificate, needs_openssl
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.tls import ImpostorServer, TlsRedis
from tests.support.waiting import wait_until
from tornado.ioloop import IOLoop

from threadmill_shared import errors
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.sender import Sender
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store
from threadmill_shared.store.subscription import ChannelSubscription
from threadmill_workers import flower

RUN_ID = "run_3f" + "0123456789" * 3
HERE = "IP:127.0.0.1"
PASSWORD = "Winter/2031@home"
ENCODED = "Winter%2F2031%40home"

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.sign("server", HERE)


@pytest.fixture(scope="module")
def server(
    authority: Authority, own: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TlsRedis]:
    folder = tmp_path_factory.mktemp("tls")
    with TlsRedis(folder, authority, own, "--requirepass", PASSWORD) as server:
        yield server


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[ImpostorServer]:
    """Has a certificate for the right host, by an authority that nobody trusts."""
    with ImpostorServer(Authority(tmp_path / "other").sign("stranger", HERE)) as stranger:
        yield stranger


def of(url: str, broker: str | None = None) -> Settings:
    return Settings(redis_url=SecretStr(url), broker_url=broker and SecretStr(broker))


async def ask(url: str, **more: Any) -> Any:
    store = Store(connect(url), "tls", **more)
    try:
        return await store.session.runner.command("PING")
    finally:
        await store.close()


@pytest.mark.parametrize("more", ["", "&ssl_cert_reqs=CERT_REQUIRED", "&ssl_cert_reqs=optional"])
async def test_a_server_whose_ca_the_url_names_is_talked_to_by_store_and_broker(
    server: TlsRedis, authority: Authority, more: str
) -> None:
    url = f"{server.url(login=f':{ENCODED}@')}?ssl_ca_certs={authority.file}{more}"
    assert await ask(url)
    with make_app(of(url)).connection_for_write() as connection:
        assert connection.default_channel.client.ping()


async def test_bells_ring_over_tls(server: TlsRedis, authority: Authority) -> None:
    client = connect(f"{server.url(login=f':{ENCODED}@')}?ssl_ca_certs={authority.file}")
    notifications = Notifications(ChannelSubscription(client))
    try:
        async with notifications.listen("channel") as bell:
            await client.publish("channel", "ring")
            await bell.wait()
    finally:
        await notifications.close()
        await client.aclose()


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
async def test_a_certificate_that_cannot_be_verified_is_told_at_once(
    server: TlsRedis, scheme: str
) -> None:
    service = {"rediss+sentinel": "/main"}.get(scheme, "")
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match=r"certificate.*self-signed.*ssl_ca_certs="):
        await ask(f"{scheme}://:{ENCODED}@127.0.0.1:{server.port}{service}", patience=60)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("hosts", "days", "reason"),
    [("DNS:elsewhere.example", 2, "mismatch"), (HERE, 0, "expired")],
)
async def test_openssls_reason_is_told(
    authority: Authority, tmp_path: Path, hosts: str, days: int, reason: str
) -> None:
    own = authority.sign(f"server-{reason}", hosts, days=days)
    with TlsRedis(tmp_path, authority, own) as server:
        url = f"{server.url()}?ssl_ca_certs={authority.file}"
        with pytest.raises(errors.StoreUnavailable, match=reason):
            await ask(url, patience=60)
        unverified = f"{server.url()}?ssl_cert_reqs=none"
        assert await ask(unverified)


async def test_a_server_that_wants_a_certificate_of_its_clients_gets_one(
    authority: Authority, own: Certificate, tmp_path: Path
) -> None:
    with TlsRedis(tmp_path, authority, own, "--tls-auth-clients", "yes") as server:
        url = f"{server.url()}?ssl_ca_certs={authority.file}"
        with pytest.raises(errors.StoreUnavailable, match="ssl_certfile"):
            await ask(url, patience=60)
        mine = authority.sign("client", "DNS:client")
        url += f"&ssl_certfile={mine.certificate}&ssl_keyfile={mine.key}"
        assert await ask(url)
        with make_app(of(url)).connection_for_write() as connection:
            assert connection.default_channel.client.ping()


async def test_a_client_without_tls_is_told_how_a_url_with_tls_begins(server: TlsRedis) -> None:
    with pytest.raises(errors.StoreUnavailable, match="rediss://"):
        await ask(server.url().replace("rediss://", "redis://"), patience=0)


def _produce(url: str) -> None:
    sender = Sender(of("redis://127.0.0.1:1", url))
    sender.send(Dispatch(RUN_ID, "tls"))
    sender.close()


def _consume(url: str) -> None:
    app = make_app(of("redis://127.0.0.1:1", url))
    with contextlib.suppress(Exception), app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        connection.default_channel  # noqa: B018  which connects


ONCE = {"max_retries": 1, "interval_start": 0}


def _announce(url: str) -> None:
    app = make_app(of("redis://127.0.0.1:1", url))
    app.conf.broker_transport_options = app.conf.broker_transport_options | ONCE
    with contextlib.suppress(Exception), app.connection_for_write() as connection:
        app.events.Dispatcher(connection).send("worker-online")


def _watch(url: str) -> None:
    built = flower.build(of("redis://127.0.0.1:1", url))
    built.capp.conf.broker_transport_options = built.capp.conf.broker_transport_options | ONCE
    with contextlib.suppress(Exception):
        built.inspector.capp.control.ping(timeout=0.1)


def _look_at_the_broker(url: str) -> None:
    """As Flower's page of the broker does."""
    from flower.utils.broker import Broker

    built = flower.build(of("redis://127.0.0.1:1", url))
    conf = built.capp.conf
    broker = Broker(
        built.broker_uri_with_password,
        broker_options=conf.broker_transport_options,
        broker_use_ssl=conf.broker_use_ssl,
    )
    with contextlib.suppress(Exception):
        IOLoop.current().run_sync(lambda: broker.queues(["tls"]))


BY_SCHEME = {
    "rediss": [_produce, _consume, _announce, _watch, _look_at_the_broker],
    "rediss+sentinel": [_produce, _consume, _look_at_the_broker],
    "amqps": [_produce, _consume],  # of RabbitMQ Flower's page asks another server
}


@pytest.mark.parametrize(
    ("scheme", "use"), [(scheme, use) for scheme, uses in BY_SCHEME.items() for use in uses]
)
def test_a_stranger_is_told_nothing_by_whoever_uses_the_broker(
    stranger: ImpostorServer, use: Callable[[str], None], scheme: str
) -> None:
    service = {"rediss+sentinel": "/main/0"}.get(scheme, "")
    use(f"{scheme}://me:{ENCODED}@127.0.0.1:{stranger.port}{service}")
    wait_until(lambda: stranger.refused, "the handshake was broken off")
    assert not stranger.heard


def test_flower_asks_rabbitmqs_management_over_tls_if_the_broker_has_tls() -> None:
    from flower.options import options

    before = options.broker_api
    options.broker_api = None  # an earlier test may have set it
    try:
        flower.build(of("redis://127.0.0.1:1", "amqps://me:pw@rabbit//"))
        assert options.broker_api == "https://rabbit:15671/api/"
    finally:
        options.broker_api = before


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
async def test_a_stranger_is_told_nothing_by_the_store(
    stranger: ImpostorServer, scheme: str
) -> None:
    service = {"rediss+sentinel": "/main"}.get(scheme, "")
    with pytest.raises(errors.StoreUnavailable):
        await ask(f"{scheme}://me:{ENCODED}@127.0.0.1:{stranger.port}{service}", patience=0)
    wait_until(lambda: stranger.refused, "the handshake was broken off")
    assert not stranger.heard


def test_a_message_that_is_not_sent_for_a_certificate_is_a_warning_that_says_so(
    stranger: ImpostorServer, caplog: pytest.LogCaptureFixture
) -> None:
    _produce(f"rediss://:{ENCODED}@127.0.0.1:{stranger.port}/0")
    [said] = [text for text in caplog.messages if "could not send" in text]
    assert "certificate could not be verified: unable to get local issuer" in said
    assert "sends it again" in said


def test_flowers_page_of_the_broker_counts_over_tls(server: TlsRedis, authority: Authority) -> None:
    url = f"{server.url(login=f':{ENCODED}@')}?ssl_ca_certs={authority.file}"
    sender = Sender(of(url))
    sender.send(Dispatch(RUN_ID, "counted"))
    sender.close()
    built = flower.build(of(url))
    from flower.utils.broker import Broker

    broker = Broker(
        built.broker_uri_with_password,
        broker_options=built.capp.conf.broker_transport_options,
        broker_use_ssl=built.capp.conf.broker_use_ssl,
    )
    counted = IOLoop.current().run_sync(lambda: broker.queues(["counted"]))
    assert counted == [{"name": "counted", "messages": 1}]
    assert "Winter" not in built.broker_uri


async def test_the_options_of_a_url_work_against_a_real_server(
    redis_server: RedisServer,
) -> None:
    url = (
        f"{redis_server.fresh_database()}?socket_timeout=4&socket_connect_timeout=2&protocol=2"
        "&socket_keepalive=yes&health_check_interval=2&max_connections=6&client_name=billing"
        "&timeout=3&socket_read_size=4096&retry_on_timeout=false&decode_responses=true"
    )
    assert await ask(url)
    with make_app(of(url)).connection_for_write() as connection:
        names = [one["name"] for one in connection.default_channel.client.client_list()]
    assert "billing" in names
