"""Which broker the settings lead to, and that one which Celery does not know is refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from threadmill.client.client import Client
from threadmill_shared import errors
from threadmill_shared.broker import sender as sending
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.sender import Sender
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings

REDIS = "redis://localhost:1/0"
RUN = "run_3f" + "0123456789" * 3


def settings(redis: str = REDIS, broker: str | None = None) -> Settings:
    return Settings(
        redis_url=SecretStr(redis), broker_url=None if broker is None else SecretStr(broker)
    )


@pytest.mark.parametrize("broker", ["bogus://host", "host:6379", "redis://host:port/0"])
def test_a_broker_that_celery_does_not_know_is_refused_at_once(broker: str) -> None:
    with pytest.raises(errors.NotConfigured, match="THREADMILL_BROKER_URL"):
        Client(settings(broker=broker))


def test_a_cluster_without_a_broker_is_refused_at_once() -> None:
    with pytest.raises(errors.NotConfigured, match="Cluster as its broker"):
        Client(settings("redis+cluster://localhost:1"))


def test_a_refused_broker_does_not_show_its_password() -> None:
    with pytest.raises(errors.NotConfigured) as refused:
        Sender(settings(broker="bogus://user:secret@host"))
    assert "secret" not in str(refused.value)


def test_sentinels_are_spelt_as_kombu_reads_them() -> None:
    app = make_app(settings("redis+sentinel://me:pass@one,two:26380/main/2"))

    connection = app.connection_for_write()

    assert app.conf.broker_url == ("sentinel://me:pass@one:26379/2;sentinel://me:pass@two:26380/2")
    assert connection.transport_options["master_name"] == "main"
    assert (connection.hostname, connection.port) == ("one", 26379)
    assert (connection.userid, connection.password) == ("me", "pass")
    assert connection.virtual_host == "2"


def test_sentinels_without_a_service_are_refused() -> None:
    with pytest.raises(errors.NotConfigured, match="name the service"):
        Sender(settings("redis+sentinel://one,two"))


def test_a_socket_is_spelt_as_kombu_reads_it() -> None:
    assert settings("unix:///run/redis.sock").celery_url() == "redis+socket:///run/redis.sock"


def test_a_sender_whose_connection_broke_makes_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Breaking] = []

    class Breaking:
        """A publisher whose channel is dead for good after the first message."""

        def __init__(self, *_: object) -> None:
            self.sent = 0
            self.is_dropped = False
            made.append(self)

        def carry_out(self, _: object) -> None:
            self.sent += 1
            if self.sent > 1:
                raise ConnectionError

        def drop(self) -> None:
            self.is_dropped = True

        close = drop

    monkeypatch.setattr(sending, "_publisher", Breaking)
    sender = Sender(settings())
    for _ in range(3):
        sender.send(Dispatch(RUN, "threadmill"))
    sender.close()
    assert [one.sent for one in made] == [2, 1]
    assert made[0].is_dropped


def test_the_first_send_that_fails_is_a_warning_and_the_next_one_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = Sender(settings())
    for queue in ("one", "two"):
        sender.send(Dispatch(RUN, queue))
    sender.close()

    said = [record.getMessage() for record in caplog.records]
    assert [("queue one" in text, "sends it again" in text) for text in said] == [(True, True)]
    assert sender.failures == 2
