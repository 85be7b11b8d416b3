"""A task's message is the one that Celery and kombu would have written."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
import redis
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection, Consumer

from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.task_message import task_message
from threadmill_shared.settings import Settings

_NEW_EACH_TIME = ("delivery_tag",)
_OF_THE_SENDER = ("reply_to",)
"""Nobody replies to our tasks."""

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.text(st.sampled_from("a:.{}\"'\\\u2028\U0001f600é\x00"), min_size=200, max_size=300),
)
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


@given(args=arguments, name=texts, task_id=texts)
def test_kombu_reads_it(args: list[Any], name: str, task_id: str) -> None:
    message = task_message("threadmill.execute", args, queue=name, task_id=task_id)
    with Connection("memory://") as connection, connection.channel() as channel:
        queue = declared(name)
        queue(channel).declare()
        channel._put(name, json.loads(message))
        [found] = taken(connection, channel, queue)
    assert found.payload[:2] == [args, {}]
    assert found.headers["task"] == "threadmill.execute"
    assert found.headers["id"] == found.properties["correlation_id"] == task_id
    assert found.delivery_info == {"exchange": "", "routing_key": name}


@given(args=arguments, name=texts.filter(lambda name: "\x06" not in name), task_id=texts)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kombu_reads_it_from_redis(
    redis_url: str, args: list[Any], name: str, task_id: str
) -> None:
    message = task_message("threadmill.execute", args, queue=name, task_id=task_id)
    with (
        redis.Redis.from_url(redis_url) as client,
        Connection(redis_url) as connection,
        connection.channel() as channel,
    ):
        client.lpush(name, message)
        [found] = taken(connection, channel, declared(name))
        assert (found.payload[:2], found.headers["id"]) == ([args, {}], task_id)
        assert client.llen(name) == 0


def taken(connection: Any, channel: Any, queue: Any) -> list[Any]:
    """What a consumer of the queue takes first."""
    found: list[Any] = []
    with Consumer(channel, [queue], accept=["json"], on_message=found.append):
        connection.drain_events(timeout=5)
    for one in found:
        one.ack()
    return found


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
