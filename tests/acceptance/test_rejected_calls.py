"""What cannot be done is refused at once, in words that say what to do, and nothing is written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.support.environment import stretched
from tests.support.processes.commands import run_threadmill
from tests.support.processes.script import Script
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant, Template, Thread, errors
from threadmill.client.current import close_client

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),  # no model is asked
    pytest.mark.apart,
]

ai = Assistant(name="ai", instructions="Be brief.")


@pytest.fixture
def contents(environment: None, redis_url: str) -> Iterator[Callable[[], dict[bytes, Any]]]:
    """Reads every key of the server's database, and what is in it."""
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        yield lambda: {key: client.dump(key) for key in client.scan_iter()}


# ---- requests that are wrong -----------------------------------------------------------------


Do = Callable[[Thread], object]
REQUESTS: dict[str, tuple[Do, type[Exception], str]] = {
    "an unknown option": (
        lambda thread: ai.enqueue("Hello!", thread=thread, temprature=1),
        TypeError,
        "'temprature' is not a run option. Did you mean 'temperature'.*temperature",
    ),
    "an option of the wrong type": (
        lambda thread: ai.say("Hello!", thread=thread, temperature="hot"),
        TypeError,
        "run option 'temperature' is not valid",
    ),
    "an unknown when_busy": (
        lambda thread: ai.enqueue("Hello!", thread=thread, when_busy="wait"),  # type: ignore[arg-type]  # that is the point
        TypeError,
        "when_busy must be one of queue, reject, interrupt",
    ),
    "a template that is none": (
        lambda thread: ai.enqueue("Hello!", thread=thread, instructions=Template("Be {{ brief")),
        errors.BadTemplate,
        "Line 1 of the instructions cannot be read",
    ),
    "a template with an unknown name": (
        lambda thread: ai.say("Hello!", thread, instructions=Template("Be {{ mood }}.")),
        errors.BadTemplate,
        "mood",
    ),
    "a message that is too large": (
        lambda thread: ai.enqueue("x" * 262_145, thread=thread),
        errors.TooLarge,
        "262145 bytes; THREADMILL_MAX_MESSAGE_BYTES allows 262144",
    ),
    "a message that is too large for the thread": (
        lambda thread: thread.add("x" * 262_145),
        errors.TooLarge,
        "THREADMILL_MAX_MESSAGE_BYTES",
    ),
    "an empty message": (
        lambda thread: ai.say("", thread=thread),
        errors.BadMessage,
        "A message must not be empty",
    ),
    "a message that is no text": (
        lambda thread: ai.enqueue(42, thread=thread),  # type: ignore[arg-type]  # that is the point
        errors.BadMessage,
        "A message must be a str, not int",
    ),
    "a context that is no JSON": (
        lambda thread: ai.enqueue("Hello!", thread=thread, context={"who": object()}),
        TypeError,
        "context must be JSON",
    ),
    "a tool that cannot be one": (
        lambda thread: ai.enqueue("Hello!", thread=thread, additional_tools=["roll_dice"]),
        errors.BadTool,
        "roll_dice",
    ),
    "a thread's id for a thread": (
        lambda thread: ai.say("Hello!", thread.id),  # type: ignore[arg-type]  # that is the point
        TypeError,
        r"thread must be a Thread, not str. Pass Thread\(id=...\)",
    ),
    "the class for a thread": (
        lambda _: ai.say("Hello!", Thread),  # type: ignore[arg-type]  # that is the point
        TypeError,
        "thread must be a Thread, not the class Thread. Pass",
    ),
    "an idempotency key that is no text": (
        lambda thread: ai.enqueue("Hello!", thread, idempotency_key=5),  # type: ignore[arg-type]  # that is the point
        TypeError,
        "An idempotency key must be a str, not int",
    ),
    "a model that is no name": (
        lambda thread: ai.say("Hello!", thread, model=5),
        TypeError,
        "The model's name must be a str, not int",
    ),
    "instructions that are no text": (
        lambda thread: ai.say("Hello!", thread, instructions=5),
        TypeError,
        "run option 'instructions' must be a str or a threadmill.Template, not int",
    ),
    "a Celery message's template": (
        lambda thread: ai.say("Hello!", thread, additional_instructions={"template": "Be brief."}),
        TypeError,
        "'additional_instructions' must be a str or a threadmill.Template, not dict",
    ),
    "a template without a text": (
        lambda thread: ai.say("Hello!", thread, instructions=Template(5)),  # type: ignore[arg-type]  # that is the point
        TypeError,
        "A template's source must be a str, not int",
    ),
    "a template for a message": (
        lambda thread: ai.say(Template("Hello!"), thread),  # type: ignore[arg-type]  # that is the point
        errors.BadMessage,
        "A message must be a str, not Template",
    ),
    "instructions that are too large": (
        lambda thread: ai.say("Hello!", thread, instructions="x" * 262_145),
        errors.TooLarge,
        "instructions have 262145 bytes; 262144 are allowed",
    ),
    "an idempotency key that is no Unicode": (
        lambda thread: ai.enqueue("Hello!", thread, idempotency_key="\ud800"),
        errors.CallerError,
        "An idempotency key must be valid Unicode",
    ),
    "instructions that are no Unicode": (
        lambda thread: ai.say("Hello!", thread, additional_instructions="\ud800"),
        errors.CallerError,
        "'additional_instructions' must be valid Unicode",
    ),
    "instructions that become no Unicode": (
        lambda thread: ai.say("Hello!", thread, instructions=Template(r"{{ '\ud800' }}")),
        errors.CallerError,
        "The text of the instructions must be valid Unicode",
    ),
    "a thread's key that is no Unicode": (
        lambda _: ai.say("Hello!", Thread(key="\ud800")),
        errors.CallerError,
        "A thread's key must be valid Unicode",
    ),
    "a name of an assistant that is no Unicode": (
        lambda _: Assistant.load("\ud800"),
        errors.CallerError,
        "An assistant's id or name must be valid Unicode",
    ),
    "an unknown thread": (
        lambda _: ai.enqueue("Hello!", thread=Thread(id="thread_3f" + "0" * 30)),
        errors.ThreadNotFound,
        r"There is no thread thread_3f0+\. Thread\(\) creates a new one",
    ),
    "an id that cannot be a thread's": (
        lambda _: ai.say("Hello!", thread=Thread(id="thread_*")),
        errors.ThreadNotFound,
        "thread",
    ),
    "an unknown assistant": (
        lambda thread: Assistant.load("nobody").enqueue("Hello!", thread=thread),
        errors.AssistantNotFound,
        "nobody",
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_wrong_request_is_refused_before_anything_is_written(
    name: str, contents: Callable[[], dict[bytes, Any]]
) -> None:
    thread = Thread().create(["Hello!"])
    before = contents()
    request, error, words = REQUESTS[name]

    with pytest.raises(error, match=words):
        request(thread)
    assert contents() == before
    assert before, "the thread itself is stored"


def test_nothing_is_added_to_a_thread_that_a_run_holds(
    contents: Callable[[], dict[bytes, Any]],
) -> None:
    thread = Thread()
    run = ai.enqueue("Hello!", thread=thread)
    wait_until(lambda: b"threadmill" in contents(), "its message is in the queue")
    before = contents()
    refused: list[Do] = [
        lambda thread: thread.add("And another thing"),
        lambda thread: ai.say("Me too", thread=thread, when_busy="reject"),
        lambda thread: thread.delete(),
    ]
    for request in refused:
        with pytest.raises(errors.ThreadLocked, match=run.id) as caught:
            request(thread)
        assert caught.value.run_id == run.id
    assert contents() == before


# ---- what is missing -------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "does-not-exist.invalid"])
def test_without_a_redis_every_call_says_so_soon(
    host: str, environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_REDIS_URL", f"redis://user:secret@{host}:{free_port()}/0")
    close_client()
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match="THREADMILL_REDIS_URL") as caught:
        ai.enqueue("Hello!")
    assert time.monotonic() - began < 10
    assert "secret" not in str(caught.value)


def test_a_worker_without_a_redis_refuses_to_start(environment: None) -> None:
    ended = run_threadmill("worker", THREADMILL_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert ended.returncode == 1
    assert "THREADMILL_REDIS_URL" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_worker_without_an_api_key_refuses_to_start(environment: None) -> None:
    ended = run_threadmill("worker", OPENAI_API_KEY="", OPENAI_BASE_URL="")
    assert ended.returncode == 1
    assert "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


SAY = """
    from threadmill import Assistant, errors

    try:
        Assistant(name="ai").say("Hello!")
    except errors.NotConfigured as error:
        print(error)
"""


def test_an_embedded_say_without_an_api_key_is_refused_before_anything_is_written(
    environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("THREADMILL_REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name)
    began = time.monotonic()
    said = Script.of_source(SAY).finish()
    assert said.startswith("Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set")
    assert time.monotonic() - began < stretched(10)

    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert stored, "the server was started before"
    assert not [path.name for path in stored if b"Hello!" in path.read_bytes()]


def test_a_producer_needs_no_api_key(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name)
    assert ai.enqueue("Hello!").status == "queued"


# ---- nobody there ----------------------------------------------------------------------------

WAIT = """
    import sys, time
    from threadmill import Assistant, errors

    ai, began = Assistant(name="ai"), time.monotonic()
    try:
        if sys.argv[1] == "say":
            ai.say("Hello!", timeout=6.5)
        else:
            ai.enqueue("Hello!").wait(timeout=6.5)
    except errors.WaitTimeout as error:
        print(error.run.status, round(time.monotonic() - began, 1))
"""


def test_who_waits_while_no_worker_is_alive_is_told_how_to_start_one(environment: None) -> None:
    both = [Script.of_source(WAIT, how) for how in ("say", "wait")]
    for output, warnings in [script.end() for script in both]:
        status, seconds = output.splitlines()[-1].split()
        assert status == "queued"
        assert 6 < float(seconds) < 10
        [warning] = warnings.splitlines()
        assert "no worker is running" in warning
        assert "threadmill worker MODULE" in warning


def test_enqueue_needs_no_worker(environment: None) -> None:
    began = time.monotonic()
    run = ai.enqueue("Hello!")
    assert time.monotonic() - began < stretched(2)
    assert run.status == "queued"
