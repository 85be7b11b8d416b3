"""The Celery tasks through which services without threadmill use it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting
from tests.support.paths import SCRIBE
from tests.support.processes.celery_client import run_task, say_task, send_tasks
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Thread
from threadmill.testing import StandIn

pytestmark = pytest.mark.any_api

SECRET = "a-text-of-a-user"


@pytest.fixture(scope="module")
def worker(lasting: Lasting) -> Worker:
    [worker] = lasting.workers.start(SCRIBE)
    return worker


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def new_id() -> str:
    return str(uuid.uuid4())


def texts(thread: Thread) -> list[str]:
    return [message.text for message in thread.get_messages()]


@pytest.mark.usefixtures("worker")
def test_a_say_makes_a_run_and_the_same_task_again_is_the_same_run() -> None:
    thread, id = Thread(key="channel-1"), new_id()
    message = say_task(
        id, assistant="scribe", message='call length {"text": "four"}', thread_key="channel-1"
    )
    send_tasks(message, message, message)
    wait_until(lambda: len(texts(thread)) == 2, "an answer")
    send_tasks(
        message,
        say_task(new_id(), assistant="scribe", message="And?", thread_id=thread.id),
    )

    wait_until(lambda: len(texts(thread)) == 4, "a second answer")
    assert texts(thread)[1] == "length answered: 4."
    assert [run.status for run in thread.runs()] == ["completed", "completed"]


@pytest.mark.usefixtures("worker")
def test_a_run_takes_the_thread_as_it_is(standin: StandIn) -> None:
    thread = Thread(key="channel-2").create(["One", "Two"])
    send_tasks(
        run_task(new_id(), assistant="scribe", thread_key="channel-2", instructions="Be brief.")
    )
    wait_until(lambda: len(texts(thread)) == 3, "an answer")
    [request] = standin.requests
    assert "Be brief." in str(request.body)
    assert "I have seen 2 messages" in texts(thread)[2] or 'You said: "Two"' in texts(thread)[2]


PLAIN = "They are called {{ context.token }}, {% if %}, {# so #}, {}."


def test_texts_are_sent_as_they_stand_and_templates_rendered(
    standin: StandIn, worker: Worker
) -> None:
    given = {"additional_instructions": PLAIN, **template("{{ self_.name }}/{{ context.token }}")}
    common = {"assistant": "scribe", "context": {"token": "t0k3n"}, **given}
    thread = Thread(key="channel-3").create(["One"])
    send_tasks(run_task(new_id(), thread_key="channel-3", **common))
    wait_until(lambda: len(texts(thread)) == 2, "an answer")
    send_tasks(say_task(new_id(), thread_key="channel-3", message="Two", **common))
    wait_until(lambda: len(texts(thread)) == 4, "another answer")
    for request in standin.requests:
        told = request.body.get("instructions") or request.body["messages"][0]["content"]
        assert told == f"scribe/t0k3n\n\n{PLAIN}"
    assert worker.log().count("contains template syntax and is sent unchanged") == 1
    assert "They are called" not in worker.log()


def template(source: str) -> dict[str, Any]:
    return {"instructions": {"template": source}}


WRONG: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, Any], str]] = {
    "no message": (say_task, {"assistant": "scribe"}, "missing: message"),
    "an unknown argument": (
        say_task,
        {"assistant": "scribe", "message": SECRET, SECRET: 1},
        "unknown: 1",
    ),
    "an unknown assistant": (
        say_task,
        {"assistant": "nobody", "message": SECRET},
        "AssistantNotFound: There is no assistant 'nobody'",
    ),
    "an unknown thread": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "thread_id": f"thread_{SECRET}"},
        "ThreadNotFound",
    ),
    "a message that is none": (
        say_task,
        {"assistant": "scribe", "message": {SECRET: SECRET}},
        "BadMessage",
    ),
    "a template that is none": (
        *(
            say_task,
            {"assistant": "scribe", "message": SECRET} | template(f"{{{{ {SECRET} }}}}"),
        ),
        "BadTemplate",
    ),
    **{
        f"a template of {what}": (
            *(say_task, {"assistant": "scribe", "message": SECRET, "instructions": given}),
            "instructions must be a text, or {'template': a text}",
        )
        for what, given in {
            "a number": {"template": 3},
            "nothing": {"template": None},
            "too much": {"template": SECRET, SECRET: SECRET},
            "no word": {},
            "a list": [SECRET],
            "another word": {"text": SECRET},
        }.items()
    },
    "an instruction that is none": (
        *(
            run_task,
            {"assistant": "scribe", "thread_key": "k", "additional_instructions": 3},
        ),
        "additional_instructions must be a text",
    ),
    "an unknown option": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": {SECRET: SECRET}},
        "OptionError",
    ),
    "an unknown option in quotes": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": {f"it's {SECRET}": 1, "x'": 'y"'}},
        "OptionError: a name in options is unknown",
    ),
    "a mistyped option": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": {"temprature": 1}},
        "Did you mean 'temperature'?",
    ),
    "an option in the wrong form": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": {"response_format": SECRET}},
        "response_format is not valid: it is 'auto', {'type': 'text'}",
    ),
    "a name in a name": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": {"metadata": {f"a'b {SECRET}": 1}}},
        "metadata is not valid: Input should be a valid string",
    ),
    "options that are none": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "options": SECRET},
        "options must be an object",
    ),
    "an unknown way to wait": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "when_busy": SECRET},
        "OptionError: when_busy must be one of queue, reject, interrupt",
    ),
    "a context that is none": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "context": SECRET},
        "OptionError: context must be a mapping",
    ),
    "an empty key": (
        *(say_task, {"assistant": "scribe", "message": SECRET, "thread_key": ""}),
        "CallerError",
    ),
    "a key and an id": (
        say_task,
        {"assistant": "scribe", "message": SECRET, "thread_key": SECRET, "thread_id": SECRET},
        "a thread_key or a thread_id, not both",
    ),
    "a run without a thread": (
        run_task,
        {"assistant": "scribe"},
        "thread_key or a thread_id",
    ),
    "a message for a run": (
        run_task,
        {"assistant": "scribe", "message": SECRET, "thread_key": "k"},
        "unknown: 1",
    ),
}


def error_about(message: dict[str, Any], worker: Worker) -> str:
    """The one line that the worker has logged as an error about a task."""
    lines = worker.log().splitlines()
    [found] = [line for line in lines if message["id"] in line and "ERROR" in line]
    return found


def test_wrong_arguments_are_logged_as_errors_without_what_they_say(
    worker: Worker, standin: StandIn
) -> None:
    sent = {name: make(new_id(), **kwargs) for name, (make, kwargs, _) in WRONG.items()}
    by_position = {"task": "threadmill.say", "id": new_id(), "args": [SECRET, SECRET]}
    unknown_task = {"task": "threadmill.sya", "id": new_id(), "args": [SECRET]}
    good = say_task(new_id(), assistant="scribe", message="Hello!", thread_key="after")
    send_tasks(*sent.values(), by_position, unknown_task, good)
    wait_until(lambda: len(texts(Thread(key="after"))) == 2, "an answer to the last one")

    for name, (_, _, words) in WRONG.items():
        line = error_about(sent[name], worker)
        assert words in line, name
        assert f"assistant {sent[name]['kwargs']['assistant']!r}" in line
    assert "keyword arguments" in error_about(by_position, worker)
    assert "there is no task named threadmill.sya" in error_about(unknown_task, worker)
    assert SECRET not in worker.log()
    assert "Traceback" not in worker.log()
    assert [request.user_text for request in standin.requests] == ["Hello!"]


def test_a_say_waits_at_the_door_until_a_worker_comes(workers: Workers) -> None:
    thread = Thread(key="early")
    [first] = workers.start(SCRIBE)
    first.terminate()
    assert first.ends()
    send_tasks(say_task(new_id(), assistant="scribe", message="Hello!", thread_key="early"))
    assert thread.get_messages() == []
    workers.start(SCRIBE)
    wait_until(lambda: len(texts(thread)) == 2, "an answer")
