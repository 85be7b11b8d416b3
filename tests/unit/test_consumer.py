"""What a worker says of messages that it cannot take: their names and ids, never their text."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import DecodeError
from kombu.message import Message

from threadmill_workers.consuming.consumer import RunConsumer

MARK = "zebra-7f3a-said-by-a-user"
BODY = [[], {"message": MARK}, {}]
HEADERS = {"task": "threadmill.says", "id": "task-1", "kwargsrepr": MARK}


class Channel:
    """Notes what became of a message."""

    no_ack_consumers = None

    def __init__(self) -> None:
        self.answers: list[str] = []

    def basic_ack(self, tag: str, multiple: bool = False) -> None:
        self.answers.append("ack")

    def basic_reject(self, tag: str, requeue: bool = False) -> None:
        self.answers.append("requeue" if requeue else "reject")


def consumer() -> RunConsumer:
    """One that has no broker: these methods need none."""
    made = RunConsumer.__new__(RunConsumer)
    made.connection_errors = (OSError,)
    made.event_dispatcher = SimpleNamespace(send=lambda *args, **fields: None)
    return made


def message(channel: Channel, headers: Any, body: Any = BODY) -> Any:
    make: Any = Message  # has no types
    return make(
        json.dumps(body),
        "tag-1",
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        channel=channel,
        accept={"application/json"},
    )


def refuse(kind: str, refused: Any) -> None:
    worker = consumer()
    if kind == "unknown message":
        worker.on_unknown_message(BODY, refused)
    elif kind == "unknown task":
        worker.on_unknown_task(None, refused, KeyError(MARK))
    elif kind == "invalid task":
        worker.on_invalid_task(BODY, refused, ValueError(MARK))
    else:
        worker.on_decode_error(refused, DecodeError(MARK))


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("unknown message", "reject"),
        ("unknown task", "reject"),
        ("invalid task", "reject"),
        ("undecodable", "ack"),
    ],
)
def test_a_message_that_cannot_be_taken_is_named_without_its_text(
    caplog: pytest.LogCaptureFixture, kind: str, answer: str
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = Channel()

    refuse(kind, message(channel, HEADERS))

    assert "task-1" in caplog.text
    assert MARK not in caplog.text
    assert channel.answers == [answer]


@pytest.mark.parametrize("kind", ["unknown message", "unknown task", "invalid task", "undecodable"])
def test_a_message_without_headers_is_refused_too(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    channel = Channel()

    refuse(kind, message(channel, None, body=[MARK]))

    assert len(channel.answers) == 1
    assert MARK not in caplog.text


def test_a_misspelt_task_of_the_first_protocol_is_named(caplog: pytest.LogCaptureFixture) -> None:
    body = {"task": "threadmill.says", "id": "task-1", "kwargs": {"message": MARK}}

    refuse("unknown task", message(Channel(), {}, body))

    assert "threadmill.says" in caplog.text
    assert "task-1" in caplog.text
    assert MARK not in caplog.text
