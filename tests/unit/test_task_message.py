"""A task's message is the one that Celery and kombu would have written."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection, Consumer

from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.task_message import task_message
from threadmill_shared.settings import Settings

_NEW_EACH_TIME = ("delivery_tag",)
_OF_THE_SENDER = ("reply_to",)
"""Nobody replies to our tasks."""

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
arguments = st.lists(st.one_of(texts, st.integers(-(2**53), 2**53)), max_size=3)


@pytest.fixture(scope="module")
def app() -> Celery:
    app = make_app(Settings(broker_url="memory://"))
    app.conf.broker_transport_options = {}
    return app


@given(task=texts, args=arguments, queue=texts, task_id=texts)
def test_it_has_what_celery_writes(
    app: Celery, task: str, args: list[Any], queue: str, task_id: str
) -> None:
    ours = json.loads(task_message(task, args, queue=queue, task_id=task_id))
    celerys = _written_by_celery(app, task, args, queue, task_id)
    for name in _NEW_EACH_TIME + _OF_THE_SENDER:
        assert isinstance(ours["properties"].pop(name), str)
        assert isinstance(celerys["properties"].pop(name), str)
    assert _read_body(ours) == _read_body(celerys)
    ours["headers"].pop("argsrepr")  # Celery cuts a long one, and quotes like this one
    celerys["headers"].pop("argsrepr")
    assert ours == celerys


def test_kombu_reads_it(app: Celery) -> None:
    taken: list[Any] = []
    with Connection("memory://") as connection, connection.channel() as channel:
        queue = declared("threadmill")
        message = task_message("threadmill.execute", ["run_1"], queue="threadmill", task_id="t")
        queue(channel).declare()
        channel._put("threadmill", json.loads(message))
        with Consumer(channel, [queue], accept=["json"], on_message=taken.append):
            connection.drain_events(timeout=5)
    [found] = taken
    assert found.payload[:2] == [["run_1"], {}]
    assert found.headers["task"] == "threadmill.execute"
    assert found.delivery_info == {"exchange": "", "routing_key": "threadmill"}
    found.ack()


def _written_by_celery(
    app: Celery, task: str, args: list[Any], queue: str, task_id: str
) -> dict[str, Any]:
    with app.connection_for_write() as connection:
        producer = app.amqp.Producer(connection, auto_declare=False)
        app.send_task(
            task, args=args, queue=declared(queue), task_id=task_id, producer=producer, retry=False
        )
        written: dict[str, Any] = connection.default_channel._get(queue)
        return written


def _read_body(message: dict[str, Any]) -> Any:
    return json.loads(b64decode(message.pop("body")))
