"""How a task is sent: with the store's pipeline only if the store's Redis is the broker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from threadmill_shared import errors
from threadmill_shared.broker import sender as sending
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.sender import Sender
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings

STORE = "redis://localhost:1/0"
RUN = "run_3f" + "0123456789" * 3


class Sent:
    """What is sent by each way."""

    def __init__(self, *, is_refused: bool = False) -> None:
        self.pushed: list[str] = []
        self.published: list[str] = []
        self._is_refused = is_refused

    def push(self, queue: str, _: bytes, note: Callable[[Exception | None], None]) -> None:
        self.pushed.append(queue)
        note(ConnectionError() if self._is_refused else None)

    def carry_out(self, job: Any) -> None:
        self.published.append(job.queue)

    def close(self) -> None:
        """Nothing is open."""


def send_all(sent: Sent, monkeypatch: pytest.MonkeyPatch, store: str, broker: str | None) -> bytes:
    """Send a task of each kind; returns the message for the script that creates a run."""
    monkeypatch.setattr(sending, "_publisher", lambda *_: sent)
    secret = None if broker is None else SecretStr(broker)
    sender = Sender(Settings(redis_url=SecretStr(store), broker_url=secret))
    sender.push_with(sent.push)
    task = sender.task_of(RUN, "threadmill")
    sender.send(Dispatch(RUN, "threadmill"))
    sender.send(Dispatch(RUN, "threadmill", begun=True))
    sender.send_probe("threadmill.slow", 1)
    sender.send_ping("threadmill.5d5f", 1)
    sender.close()
    return task


ALL = ["threadmill", "threadmill.begun", "threadmill.slow", "threadmill.5d5f"]


@pytest.mark.parametrize(
    ("store", "broker"),
    [
        (STORE, STORE),
        (STORE, "redis://localhost:1/1"),
        (STORE, "redis://elsewhere:6379/0"),
        (STORE, "redis+sentinel://one,two/main/0"),
        (STORE, "amqp://localhost:5672//"),
        (STORE, "memory://"),
        ("redis+cluster://localhost:1", "redis://localhost:1/0"),
    ],
)
def test_tasks_go_through_celery_if_a_broker_is_set(
    monkeypatch: pytest.MonkeyPatch, store: str, broker: str
) -> None:
    sent = Sent()
    assert send_all(sent, monkeypatch, store, broker) == b""
    assert (sent.pushed, sent.published) == ([], ALL)


@pytest.mark.parametrize("store", [STORE, "redis+sentinel://one,two/main/2", "unix:///run/x.sock"])
def test_tasks_go_with_the_stores_pipeline_if_its_redis_is_the_broker(
    monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    sent = Sent()
    assert RUN.encode() in send_all(sent, monkeypatch, store, None)
    assert (sent.pushed, sent.published) == (ALL, [])


def test_what_the_pipeline_cannot_send_goes_through_celery(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(is_refused=True)
    send_all(sent, monkeypatch, STORE, None)
    assert (sent.pushed, sent.published) == (ALL, ALL)


@pytest.mark.parametrize(
    "option",
    [
        *("global_keyprefix=mine:", "priority_steps=[1]", "queue_order_strategy=priority"),
        *("sep=:", "visibility_timeout=60", "unacked_key=mine", "fanout_prefix=true"),
    ],
)
def test_no_option_says_that_kombu_uses_other_keys(option: str) -> None:
    for settings in (
        Settings(redis_url=SecretStr(f"{STORE}?{option}")),
        Settings(redis_url=SecretStr(STORE), broker_url=SecretStr(f"{STORE}?{option}")),
    ):
        with pytest.raises(errors.NotConfigured, match="unknown option"):
            settings.celery_settings()


def test_a_celery_configuration_of_the_users_changes_neither_keys_nor_form(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "celeryconfig.py").write_text(
        "task_serializer = 'pickle'\naccept_content = ['pickle']\n"
        "broker_transport_options = {'global_keyprefix': 'mine:', 'priority_steps': [1, 2]}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "celeryconfig")
    try:
        conf = make_app(Settings(redis_url=SecretStr(STORE))).conf
        assert (conf.task_serializer, conf.accept_content) == ("json", ["json"])
        assert not {"global_keyprefix", "priority_steps"} & {*conf.broker_transport_options}
    finally:
        sys.modules.pop("celeryconfig", None)
