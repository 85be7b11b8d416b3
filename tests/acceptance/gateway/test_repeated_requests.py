"""Requests that come again: what tells a repeat from a new request, and from another user's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from tests.acceptance.gateway.conftest import Served
from tests.acceptance.gateway.test_runs import ADD, thread_saying
from tests.support.processes.gateway import Gateways
from tests.support.servers.cutting_proxy import CuttingProxy
from tests.support.waiting import wait_until

from threadmill_shared.settings import load_settings

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

FIRST, REPEAT = ({"x-stainless-retry-count": count} for count in "01")
LEAST_PAUSE = 0.3
"""Seconds by which a repeat comes later than what it repeats."""

Create = Callable[..., Any]


@pytest.fixture
def client(served: Served) -> openai.OpenAI:
    return served.client()


@pytest.fixture
def creations(client: openai.OpenAI) -> dict[str, tuple[Create, dict[str, Any], dict[str, Any]]]:
    """Each call that creates something, with what it is given, and with other content."""
    assistant = client.beta.assistants.create(model="gpt-5.4-mini", tools=[ADD])
    threads, other = client.beta.threads, {"metadata": {"other": "content"}}
    thread_id, said = threads.create().id, thread_saying(client, "hello")
    message = {"role": "user", "content": "hello"}
    run: dict[str, Any] = {"assistant_id": assistant.id}
    file: dict[str, Any] = {"file": ("a.txt", b"1"), "purpose": "assistants"}
    return {
        "assistant": (client.beta.assistants.create, {"model": "m"}, other),
        "thread": (threads.create, {}, other),
        "message": (threads.messages.create, {"thread_id": thread_id} | message, other),
        "run": (threads.runs.create, {"thread_id": said} | run, other),
        "run with thread": (threads.create_and_run, run, other),
        "file": (client.files.create, file, {"file": ("a.txt", b"2")}),
    }


def test_a_key_belongs_to_one_content(
    creations: dict[str, tuple[Create, dict[str, Any], dict[str, Any]]],
) -> None:
    for name, (create, given, other) in creations.items():
        with_key = {"extra_headers": {"Idempotency-Key": f"of {name}"}}
        first = create(**given, **with_key)
        again = create(**given, **with_key)
        # A run's status may be another one by now.
        assert (again.id, again.created_at) == (first.id, first.created_at), name
        with pytest.raises(openai.UnprocessableEntityError, match=first.id) as raised:
            create(**(given | other), **with_key)
        assert raised.value.code == "idempotency_mismatch"


def test_a_key_can_be_in_the_body(
    creations: dict[str, tuple[Create, dict[str, Any], dict[str, Any]]],
) -> None:
    for name in ("assistant", "thread", "message", "run", "run with thread"):
        create, given, other = creations[name]
        with_key = {"extra_body": {"threadmill": {"idempotency_key": f"body of {name}"}}}
        first = create(**given, **with_key)
        assert create(**given, **with_key).id == first.id, name
        with pytest.raises(openai.UnprocessableEntityError):
            create(**(given | other), **with_key)


def test_a_key_that_is_too_long_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Invalid header Idempotency-Key"):
        client.beta.threads.create(extra_headers={"Idempotency-Key": "k" * 513})


def test_who_says_nothing_of_repeats_gets_a_new_object(client: openai.OpenAI) -> None:
    headers: Any = {"x-stainless-retry-count": openai.Omit()}
    first = client.beta.threads.create(extra_headers=headers)
    time.sleep(LEAST_PAUSE)
    assert client.beta.threads.create(extra_headers=headers).id != first.id


def test_a_repeat_gets_nothing_of_another_client(served: Served, client: openai.OpenAI) -> None:
    first = client.beta.threads.create(metadata={"a": "1"}, extra_headers=FIRST)
    other = served.client(default_headers={"User-Agent": "another program"})
    elsewhere = served.client(api_key="another")
    time.sleep(LEAST_PAUSE)
    for one in (other, elsewhere):
        assert one.beta.threads.create(metadata={"a": "1"}, extra_headers=REPEAT).id != first.id
    assert client.beta.threads.create(metadata={"a": "1"}, extra_headers=REPEAT).id == first.id


def test_a_repeat_does_not_get_a_thread_that_somebody_has_read(client: openai.OpenAI) -> None:
    threads = client.beta.threads
    first = threads.create(metadata={"a": "2"}, extra_headers=FIRST)
    threads.messages.list(first.id)
    time.sleep(LEAST_PAUSE)
    assert threads.create(metadata={"a": "2"}, extra_headers=REPEAT).id != first.id


def test_what_was_stored_while_redis_failed_is_not_stored_again(
    served: Served, client: openai.OpenAI, tmp_path: Path
) -> None:
    store, thread_id = urlsplit(load_settings().store_url()), client.beta.threads.create().id
    assert store.port is not None
    with CuttingProxy(store.port) as proxy, Gateways(tmp_path) as gateways:
        url = store._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        gateway = gateways.start(THREADMILL_REDIS_URL=url)
        threads = served.client(base_url=f"{gateway.url}/v1", max_retries=2).beta.threads
        threads.retrieve(thread_id)  # what is read once for all is read
        made: list[Any] = []
        said = threading.Thread(
            target=lambda: made.append(
                threads.messages.create(thread_id, role="user", content="hello")
            )
        )
        proxy.loses_answers_to = b"hello"
        said.start()
        wait_until(lambda: " 503 " in gateway.log(), "the gateway gives up", 20)
        proxy.loses_answers_to = None
        said.join()
    assert [one.id for one in client.beta.threads.messages.list(thread_id)] == [made[0].id]
