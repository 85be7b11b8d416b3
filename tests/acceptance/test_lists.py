"""Lists as services read them: pages of handles, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from threadmill import Assistant, Run, Thread, errors

pytestmark = [
    pytest.mark.parametrize("api", ["responses"], indirect=True),
    pytest.mark.usefixtures("environment"),
]

ADA = Assistant(name="Ada")


def ids(page: Any) -> set[str]:
    return {one.id for one in page}


def test_runs_of_all_threads_are_listed_and_selected() -> None:
    ada = ADA.enqueue("hello", thread=Thread())
    thread = Thread()
    bob = Assistant(name="Bob").enqueue("hello", thread=thread)
    bob.cancel()

    assert ids(Run.list()) == {ada.id, bob.id}
    assert ids(Run.list(status="cancelled")) == {bob.id}
    assert ids(Run.list(assistant="Ada")) == ids(Run.list(assistant=ADA)) == {ada.id}
    assert ids(Run.list(thread=thread)) == ids(Run.list(thread=thread.id)) == {bob.id}
    assert ids(Run.list(error="worker_lost")) == set()


def test_a_listed_handle_shows_the_record_and_reads_the_rest_when_it_is_refreshed() -> None:
    enqueued = ADA.enqueue("hello", thread=Thread())

    [run] = Run.list()

    assert (run.thread_id, run.status, run.assistant_name) == (enqueued.thread_id, "queued", "Ada")
    assert run.created_at is not None
    assert (run.started_at, run.ended_at, run.messages) == (None, None, [])
    run.cancel()
    assert [message.text for message in run.refresh().messages] == ["hello"]
    assert run.ended_at is not None


def test_a_span_is_given_as_datetimes_or_seconds() -> None:
    run = ADA.enqueue("hello", thread=Thread())
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    assert ids(Run.list(since=now - hour, until=now + hour)) == {run.id}
    assert ids(Run.list(until=(now - hour).timestamp())) == set()
    assert ids(Thread.list(since=now - hour)) == {run.thread_id}
    assert ids(Thread.list(since=now + hour)) == set()


def test_pages_continue_behind_their_cursor() -> None:
    runs = {ADA.enqueue("hello", thread=Thread()).id for _ in range(5)}

    first = Run.list(limit=3)
    second = Run.list(limit=3, cursor=first.cursor)

    assert len(first) == 3
    assert ids(first) | ids(second) == runs
    assert second.cursor is None


def test_threads_are_listed_with_their_metadata_and_times() -> None:
    Thread(metadata={"customer": "7"}).create()

    [thread] = Thread.list()

    assert thread.metadata == {"customer": "7"}
    assert thread.created_at is not None
    assert thread.active_at is not None
    thread.add("hello")
    assert [message.text for message in thread.get_messages()] == ["hello"]


def test_a_thread_of_a_run_is_listed_with_its_key() -> None:
    ADA.enqueue("hello", thread=Thread(key="u1"))

    [thread] = Thread.list()

    assert thread.key == "u1"


def test_assistants_are_listed_until_they_are_deleted() -> None:
    made = [Assistant(name=name, instructions="Be brief.") for name in ("Ada", "Bob")]
    for one in made:
        one.create()

    page = Assistant.list(limit=1)
    rest = Assistant.list(cursor=page.cursor)

    assert ids(page) | ids(rest) == {one.id for one in made}
    assert {one.instructions for one in (*page, *rest)} == {"Be brief."}
    made[0].delete()
    assert ids(Assistant.list()) == {made[1].id}


def test_the_async_versions_return_the_same() -> None:
    run = ADA.enqueue("hello", thread=Thread())

    async def read() -> tuple[Any, Any]:
        assert [*await Assistant.list_async()] == []
        return await Run.list_async(), await Thread.list_async()

    runs, threads = asyncio.run(read())
    assert (ids(runs), ids(threads)) == ({run.id}, {run.thread_id})


@pytest.mark.parametrize(
    ("read", "error", "words"),
    [
        (lambda: Run.list(status="done"), ValueError, "'done' is not a status.*queued"),
        (lambda: Run.list(limit=0), ValueError, "1 to 1000"),
        (lambda: Run.list(limit=1001), ValueError, "1 to 1000"),
        (lambda: Run.list(limit="5"), TypeError, "limit must be an int"),  # type: ignore[arg-type]
        (lambda: Run.list(cursor="nonsense"), ValueError, "not a cursor of this list"),
        (lambda: Assistant.list(cursor="Ada"), ValueError, "not a cursor of this list"),
        (lambda: Assistant.list(limit=0), ValueError, "1 to 1000"),
        (lambda: Thread.list(cursor="1:run_00"), ValueError, "not a cursor of this list"),
        (lambda: Run.list(thread="nobody"), errors.ThreadNotFound, "not a thread's id"),
        (lambda: Run.list(assistant=5), TypeError, "name, an id"),  # type: ignore[arg-type]
        (lambda: Run.list(error=5), TypeError, "error must be a str"),  # type: ignore[arg-type]
        (
            lambda: Run.list(since=datetime(2026, 1, 1)),  # noqa: DTZ001
            ValueError,
            "time zone",
        ),
        (lambda: Run.list(until="today"), TypeError, "seconds since"),  # type: ignore[arg-type]
        (lambda: Run.list(since=float("nan")), ValueError, "point in time"),
        (lambda: Thread.list(metadata={"customer": "7"}), ValueError, "THREADMILL_INDEX"),
        (lambda: Thread.list(metadata="customer"), TypeError, "a dict"),  # type: ignore[arg-type]
        (lambda: Thread.list(metadata={"a": 1}), TypeError, "str"),  # type: ignore[dict-item]
    ],
)
def test_what_no_list_can_be_asked_for_is_refused(
    read: Callable[[], Any], error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadmill.client.client.Client.call", None)  # so nothing is read

    with pytest.raises(error, match=words):
        read()
