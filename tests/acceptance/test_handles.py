"""Handles: what they keep, what they do a second time, and how they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from tests.support.environment import stretched
from tests.support.paths import SCRIPTS
from tests.support.processes.commands import STRICT, run_command
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant, EventHandler, Run, Thread, errors

pytestmark = [
    pytest.mark.usefixtures("environment"),
    pytest.mark.parametrize("api", ["responses"], indirect=True),  # nobody asks a model here
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "gpt-other", "instructions": "Be brief.", "metadata": {"order": "7"}},
        {"result_type": list[int]},
        {"image_files": ["https://example.org/cat.png"]},
        {"idempotency_key": "only once", "context": {"user": "eve"}},
        {"additional_messages": [{"role": "assistant", "content": "How may I help you?"}]},
    ],
    ids=lambda options: ", ".join(options) or "nothing",
)
@pytest.mark.parametrize("is_waiting", [False, True], ids=["at the head", "in the line"])
def test_the_handle_of_a_new_run_shows_what_a_loaded_one_shows(
    options: dict[str, Any], *, is_waiting: bool
) -> None:
    thread = Thread()
    ai = Assistant(name="plain")
    if is_waiting:
        ai.enqueue("First!", thread)
    made = ai.enqueue("Hello!", thread, **options)
    assert shown(made) == shown(Run.load(made.id))
    again = ai.enqueue("Hello!", thread, **options)
    assert (again.id == made.id) == ("idempotency_key" in options)
    assert shown(again) == shown(Run.load(again.id))


def test_the_handle_of_a_new_run_without_a_message_shows_what_a_loaded_one_shows() -> None:
    thread = Thread().create()
    thread.add("Hello!")
    made = thread.enqueue(Assistant(name="plain"))
    assert shown(made) == shown(Run.load(made.id))


def shown(run: Run) -> dict[str, Any]:
    """All that a handle shows, and how it reads its result; what its caller has is left out."""
    own = ("_functions", "_expected", "_said")
    found = {name: value for name, value in vars(run).items() if name not in own}
    return {**found, "messages": run.messages}


def test_a_threads_metadata_is_kept_by_the_run_that_makes_it_and_can_be_read_back() -> None:
    thread = Thread(key="support", metadata={"team": "blue"})
    Assistant(name="plain").enqueue("Hello!", thread)
    Thread(key="support", metadata={"team": "red"}).create()

    assert Thread(key="support").refresh().metadata == {"team": "blue"}


def test_a_runs_metadata_is_changed_by_any_handle_of_it() -> None:
    made = Assistant(name="plain").enqueue("Hello!", metadata={"order": "7"})
    loaded = Run.load(made.id)
    assert loaded.metadata == made.metadata == {"order": "7"}

    loaded.metadata["order"] = "8"
    assert loaded.save() is loaded
    made.cancel()

    assert made.metadata == {"order": "7"}
    assert made.refresh().metadata == {"order": "8"}
    made.metadata = {}
    made.save()
    [listed] = made.list(thread=made.thread_id)
    assert listed.metadata == {}


def test_metadata_of_a_run_that_cannot_be_stored_is_refused() -> None:
    run = Assistant(name="plain").enqueue("Hello!")
    run.metadata = {"order": 7}  # type: ignore[dict-item]  # that is the point
    with pytest.raises(TypeError, match="A text in a run's metadata must be a str, not int"):
        run.save()
    run.metadata = ["order"]  # type: ignore[assignment]  # likewise
    with pytest.raises(TypeError, match="A run's metadata must be a dict, not list"):
        run.save()
    with pytest.raises(errors.RunNotFound):
        Run("run_00" + "0" * 30, run.thread_id).save()
    assert run.refresh().metadata == {}


def test_a_handle_says_when_its_run_expires_and_was_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("THREADMILL_QUEUE_SECONDS", "100")
    run = Assistant(name="plain").enqueue("Hello!")
    assert run.created_at is not None
    assert run.expires_at is not None
    assert run.created_at + 100 <= run.expires_at <= run.created_at + 101
    assert run.cancelled_at is None

    run.cancel()
    run.refresh()

    assert (run.expires_at, run.cancelled_at) == (None, run.ended_at)


def test_a_run_brings_messages_that_come_before_its_own() -> None:
    thread, ai = Thread(), Assistant(name="plain")
    told = [{"role": "user", "content": "Hello!"}, {"role": "assistant", "content": "Hello, Eve."}]
    run = ai.enqueue("How are you?", thread, additional_messages=told)
    found = thread.get_messages()
    assert [(one.role, one.text) for one in found] == [
        *(("user", "Hello!"), ("assistant", "Hello, Eve."), ("user", "How are you?")),
    ]
    assert [one.run_id for one in found[:2]] == [None, None]
    assert [one.text for one in run.messages] == ["How are you?"]
    assert run.text == ""


def test_an_additional_message_that_cannot_be_is_refused_and_nothing_is_written() -> None:
    thread, ai = Thread(), Assistant(name="plain")
    for wrong in ({"role": "system", "content": "x"}, {"role": "user", "content": ""}):
        with pytest.raises(errors.BadMessage):
            ai.enqueue(
                "Hello!", thread, additional_messages=[{"role": "user", "content": "a"}, wrong]
            )
    with pytest.raises(TypeError, match="must be a list"):
        ai.enqueue("Hello!", thread, additional_messages="Hello!")  # type: ignore[arg-type]
    assert thread.runs() == thread.get_messages() == []


def test_additional_messages_belong_to_what_an_idempotency_key_names() -> None:
    thread, ai = Thread(), Assistant(name="plain")

    def enqueue(*texts: str) -> Run:
        told = [{"role": "user", "content": text} for text in texts]
        return ai.enqueue("Go!", thread, idempotency_key="one", additional_messages=told)

    assert enqueue("a", "b").id == enqueue("a", "b").id
    for others in (["a"], ["b", "a"], []):
        with pytest.raises(errors.IdempotencyMismatch):
            enqueue(*others)


def test_a_threads_runs_are_read_in_pages() -> None:
    thread, ai = Thread(), Assistant(name="plain")
    made = [ai.enqueue(text, thread).id for text in "abcde"]

    def page(limit: int = 20, **cursors: str) -> list[str]:
        return [run.id for run in thread.runs(limit, **cursors)]

    assert page() == made
    assert page(2) == made[3:]
    assert page(2, before=made[3]) == made[1:3]
    assert page(2, after=made[0]) == made[1:3]
    assert page(after=made[0], before=made[3]) == made[1:3]
    with pytest.raises(errors.RunNotFound):
        thread.runs(before=ai.enqueue("elsewhere").id)


def test_a_thread_that_is_not_stored_has_nothing_to_refresh() -> None:
    with pytest.raises(errors.ThreadNotFound):
        Thread().refresh()


def test_metadata_that_is_no_text_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="metadata must be a str, not int"):
        Thread(metadata={"team": 1})  # type: ignore[dict-item]  # that is the point


def test_a_thread_is_deleted_once() -> None:
    thread = Thread().create()
    thread.delete()
    with pytest.raises(errors.ThreadNotFound):
        thread.delete()


def test_a_new_thread_is_there_as_long_as_its_outermost_with() -> None:
    with Thread() as thread:
        with thread:
            thread.add("Hello!")
        assert len(Thread(id=thread.id).get_messages()) == 1
    with pytest.raises(errors.ThreadNotFound):
        Thread(id=thread.id).get_messages()


async def test_so_it_is_with_async_with() -> None:
    async with Thread() as thread:
        assert await Thread(id=thread.id).get_messages_async() == []
    with pytest.raises(errors.ThreadNotFound):
        await Thread(id=thread.id).get_messages_async()


def test_a_thread_that_others_know_stays_when_its_with_is_left() -> None:
    with Thread(key="known") as thread:
        thread.add("Hello!")
    with Thread(id=thread.id):
        pass
    assert len(Thread(key="known").get_messages()) == 1


def test_a_with_whose_thread_a_run_still_holds_says_so_unless_an_error_left_it() -> None:
    with pytest.raises(errors.ThreadLocked) as locked, Thread() as thread:
        run = Assistant(name="plain").enqueue("Hello!", thread)
    assert locked.value.run_id == run.id
    with pytest.raises(ZeroDivisionError), thread:
        raise ZeroDivisionError


def test_a_thread_can_be_copied_and_is_part_of_an_assistants_copy() -> None:
    ai = Assistant(name="plain")
    with ai:
        pass
    assert ai.model_copy(deep=True).default_thread.id == ai.default_thread.id


def test_a_key_of_a_deleted_thread_makes_a_new_run() -> None:
    plain = Assistant(name="plain")
    old = plain.enqueue("Hello!", idempotency_key="monday").cancel()
    Thread(old.thread_id).delete()

    new = plain.enqueue("Hello!", idempotency_key="monday")
    assert (new.thread_id, new.status) == (old.thread_id, "queued")
    assert new.id != old.id


def test_an_assistant_that_could_not_be_created_is_deleted_by_a_later_with() -> None:
    ai = Assistant(name="plain", tools=["no tool"])
    with pytest.raises(errors.BadTool), ai:
        pass
    ai.tools = []
    with ai:
        assistant_id = ai.id
    assert ai.id is None
    with pytest.raises(errors.AssistantNotFound):
        Assistant.load(assistant_id)


@pytest.mark.parametrize("how", ["next", "kept", "break", "async"])
def test_a_script_that_stops_following_ends_in_silence(how: str) -> None:
    ended = run_command(*STRICT, str(SCRIPTS / "follow.py"), how)
    assert (ended.stdout, ended.stderr) == ("thread.run.created\n", "")
    assert ended.returncode == 0


@pytest.fixture
def stalled(redis_server: RedisServer) -> Iterator[Callable[[], None]]:
    """Stops the server's process until the test has ended; connections to it stay open."""
    yield lambda: os.kill(redis_server.pid, signal.SIGSTOP)
    os.kill(redis_server.pid, signal.SIGCONT)


@pytest.mark.parametrize("how", ["wait", "say"])
def test_a_wait_keeps_its_timeout_when_redis_stalls(how: str, stalled: Callable[[], None]) -> None:
    class Staller(EventHandler):
        def on_begin(self, run: Run) -> None:
            stalled()

    plain = Assistant(name="plain")
    if how == "wait":
        run = plain.enqueue("Hello!")
        stalled()
        wait = partial(run.wait, timeout=0.5)
    else:
        wait = partial(plain.say, "Hello!", event_handler_class=Staller, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(errors.WaitTimeout) as caught:
        wait()
    assert time.monotonic() - began < stretched(2.5)
    assert caught.value.run.status == "queued"
