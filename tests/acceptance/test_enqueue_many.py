"""Many jobs in one call: what is stored, in which order, and what the caller is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes.worker import Workers

from threadmill import Assistant, CodeInterpreter, File, Job, Run, Thread, errors
from threadmill.client.client import Client
from threadmill.runs import many
from threadmill.testing import StandIn

pytestmark = pytest.mark.any_api


@pytest.fixture(params=["blocking", "awaited"])
def enqueue_many(request: pytest.FixtureRequest, environment: None) -> Any:
    """Both ways of the call."""
    if request.param == "blocking":
        return lambda ai, jobs: ai.enqueue_many(jobs)
    return lambda ai, jobs: asyncio.run(ai.enqueue_many_async(jobs))


def test_each_job_is_a_run_and_those_of_a_thread_are_executed_in_order(
    enqueue_many: Any, workers: Workers, standin: StandIn
) -> None:
    ai, thread = Assistant(name="plain"), Thread()
    jobs = [{"message": f"Say {n}.", "thread": thread} for n in range(5)]

    runs = enqueue_many(ai, ["Alone.", *jobs, "Alone, too."])

    assert [run.messages[0].text for run in runs] == [
        *("Alone.", "Say 0.", "Say 1.", "Say 2.", "Say 3.", "Say 4.", "Alone, too.")
    ]
    assert len({run.thread_id for run in runs}) == 3
    workers.start("bot")
    assert [run.wait(30).status for run in runs] == ["completed"] * 7
    said = [message.text for message in thread.get_messages() if message.role == "user"]
    assert said == [f"Say {n}." for n in range(5)]
    assert all(run.refresh().attempt == 1 for run in runs)


def test_a_job_takes_what_enqueue_takes(enqueue_many: Any, environment: None) -> None:
    ai = Assistant(name="plain", instructions="For {{ context.who }}.")
    thread = Thread(key="jobs", metadata={"team": "blue"})
    job: Job = {
        "message": "Hello!",
        "thread": thread,
        "idempotency_key": "monday",
        "context": {"who": "Ada"},
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "model": "some-model",
        "result_type": int,
    }
    [run] = enqueue_many(ai, [job])
    [same] = enqueue_many(ai, [job])
    single = ai.enqueue(**job)

    assert same.id == single.id == run.id
    assert run.thread_id == thread.id
    assert thread.refresh().metadata == {"team": "blue"}
    with pytest.raises(errors.NotAllEnqueued) as refused:
        enqueue_many(ai, [{**job, "message": "Something else."}])
    assert isinstance(refused.value.errors[0], errors.IdempotencyMismatch)


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_files_go_with_their_messages(enqueue_many: Any, environment: None, tmp_path: Path) -> None:
    (path := tmp_path / "numbers.csv").write_text("1,2")
    ai = Assistant(name="plain", tools=[CodeInterpreter])
    job = {"message": "Add them.", "code_interpreter_files": [path]}

    runs = enqueue_many(ai, [job, job, "Nothing to add."])

    names = [[one["filename"] for one in run.messages[0].attachments] for run in runs]
    assert names == [["numbers.csv"], ["numbers.csv"], []]


def schema(description: Any) -> dict[str, Any]:
    inner = {"name": "answer", "schema": {"type": "object", "description": description}}
    return {"type": "json_schema", "json_schema": inner}


def changed(value: Any) -> Thread:
    """A thread whose metadata were changed after they were checked."""
    thread = Thread(metadata={"a": "b"})
    thread.metadata["a"] = value
    return thread


@pytest.mark.parametrize(
    ("job", "error", "words"),
    [
        ({"message": ""}, errors.BadMessage, "must not be empty"),
        ({"thread": None}, errors.BadMessage, "message is missing"),
        ({"message": "a", "colour": "red"}, TypeError, "not a run option"),
        ({"message": "a", "temperature": "hot"}, TypeError, "temperature"),
        ({"message": "a", "thread": "t"}, TypeError, "must be a Thread"),
        ({"message": "a", "idempotency_key": ""}, errors.CallerError, "must not be empty"),
        ({"message": "a", "context": {"a": object()}}, TypeError, "must be JSON"),
        ({"message": "a", "image_files": ["nowhere.png"]}, errors.BadMessage, "cannot be read"),
        ({"message": "a", "additional_tools": [3]}, errors.BadTool, "cannot be a tool"),
        ({"message": "a", "when_busy": "wait"}, TypeError, "when_busy"),
        ({"message": "a", "response_format": schema(object())}, TypeError, "must be JSON"),
        ({"message": "a", "response_format": schema("\ud800")}, TypeError, "must be JSON"),
        ({"message": "a", "thread": changed(object())}, TypeError, "thread's metadata"),
        ({"message": "a", "thread": changed("\ud800")}, errors.CallerError, "thread's metadata"),
        ({"message": "a", "metadata": {"a": object()}}, TypeError, "metadata"),
    ],
)
def test_nothing_is_written_if_a_job_is_invalid(
    environment: None, job: Any, error: type[Exception], words: str
) -> None:
    ai, thread = Assistant(name="plain"), Thread()
    with pytest.raises(error, match=words) as refused:
        ai.enqueue_many([{"message": "Hello!", "thread": thread}, "Hello!", job])
    assert "job 2 of enqueue_many" in refused.value.__notes__[0]
    with pytest.raises(error, match=words):
        ai.enqueue(**{"message": None, **job})
    assert thread.runs() == []
    assert len(Run.list()) == 0


def test_what_is_written_is_what_was_checked(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: dict[str, Any] = {"a": {"b": 1}}
    thread, ai = Thread(metadata={"c": "d"}), Assistant(name="plain")
    store = Client.enqueue_many

    async def change(*args: Any) -> Any:
        context["a"]["b"] = object()
        thread.metadata["c"] = object()  # type: ignore[assignment]
        return await store(*args)

    monkeypatch.setattr(Client, "enqueue_many", change)
    [one, _] = ai.enqueue_many([{"message": "a", "thread": thread, "context": context}, "b"])

    assert Thread(id=thread.id).refresh().metadata == {"c": "d"}
    assert Run.load(one.id).messages[0].text == "a"


def test_runs_of_used_keys_are_read_together(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ai = Assistant(name="plain")
    jobs: list[str | Job] = [
        Job(message=str(n), thread=Thread(key=f"k{n}"), idempotency_key="once") for n in range(60)
    ]
    first = ai.enqueue_many(jobs)
    at_once, most, view = 0, 0, Client.view

    async def count(client: Client, run_id: str) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await view(client, run_id)
        finally:
            at_once -= 1

    monkeypatch.setattr(Client, "view", count)
    again = ai.enqueue_many(jobs)

    assert [run.id for run in again] == [run.id for run in first]
    assert [run.messages[0].text for run in again] == [str(n) for n in range(60)]
    assert most == 50


@pytest.mark.parametrize("jobs", ["Hello!", b"Hello!", {"message": "Hello!"}, 3, [3], [{1: "a"}]])
def test_what_is_no_list_of_jobs_is_refused(environment: None, jobs: Any) -> None:
    with pytest.raises(TypeError, match=r"a message|messages"):
        Assistant(name="plain").enqueue_many(jobs)


def test_no_jobs_are_no_runs() -> None:
    assert Assistant(name="plain").enqueue_many([]) == []
    assert Assistant(name="plain").enqueue_many(iter(())) == []


def test_jobs_that_are_refused_are_named_and_can_be_repeated(
    enqueue_many: Any, environment: None
) -> None:
    ai, busy = Assistant(name="plain"), Thread()
    holder = ai.enqueue("Hello!", busy)
    jobs = [
        *({"message": "a", "idempotency_key": "a"}, {"message": "b", "thread": busy}),
        *({"message": "c", "thread": busy, "when_busy": "reject"}, "d"),
    ]

    with pytest.raises(errors.NotAllEnqueued, match=r"1 of 4 .*Job 2: .* is held") as refused:
        enqueue_many(ai, jobs)

    found = refused.value
    assert isinstance(found.errors[2], errors.ThreadLocked)
    assert list(found.errors) == [2]
    assert found.runs[2] is None
    assert [run.id for run in busy.runs()] == [holder.id, found.runs[1].id]
    again = [{**jobs[at], "when_busy": "queue"} for at in found.errors]
    [run] = enqueue_many(ai, again)
    assert run.messages[0].text == "c"


def test_too_many_jobs_and_too_large_files_are_refused(
    environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(many, "MOST_JOBS", 3)
    monkeypatch.setattr(many, "MOST_FILE_BYTES", 10)
    ai = Assistant(name="plain")
    with pytest.raises(errors.TooLarge, match="4 jobs"):
        ai.enqueue_many("abcd"[n] for n in range(4))
    (one := tmp_path / "one.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (two := tmp_path / "two.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(ai.enqueue_many([{"message": "a", "image_files": [one]}] * 3)) == 3
    with pytest.raises(errors.TooLarge, match="files of all jobs"):
        ai.enqueue_many([{"message": "a", "image_files": [path]} for path in (one, two)])
    uploaded = [File.upload(path, purpose="vision").id for path in (one, two)]
    assert len(ai.enqueue_many([showing(uploaded[0])] * 3)) == 3
    with pytest.raises(errors.TooLarge, match="files of all jobs"):
        ai.enqueue_many(map(showing, uploaded))


def showing(file_id: str) -> Job:
    """A job with another message before its own, which shows an image."""
    image = {"type": "image_file", "image_file": {"file_id": file_id}}
    return {"message": "a", "additional_messages": [{"role": "user", "content": [image]}]}


def test_too_long_texts_are_refused(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "MOST_CHARACTERS", 100)
    ai = Assistant(name="plain", instructions="x" * 60)
    assert len(ai.enqueue_many(["a"] * 30)) == 30
    long: list[str | Job] = [
        "b" * 41,
        {"message": "b", "context": {"c": "d" * 41}},
        {"message": "b", "additional_messages": [{"role": "user", "content": "d" * 41}]},
    ]
    for job in long:
        with pytest.raises(errors.TooLarge, match="more than 100 characters"):
            ai.enqueue_many([job])
    with pytest.raises(errors.TooLarge, match="more than 100 characters"):
        ai.enqueue_many([{"message": "b", "instructions": letter * 50} for letter in "ef"])


def test_the_callers_loop_goes_on_while_jobs_are_checked(environment: None) -> None:
    turns = 0

    async def main() -> None:
        nonlocal turns
        work = asyncio.ensure_future(Assistant(name="plain").enqueue_many_async(["a"] * 500))
        while not work.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(work.result()) == 500

    asyncio.run(main())
    assert turns > 9


def test_a_run_whose_handle_cannot_be_read_is_one_that_failed(
    environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ai, thread = Assistant(name="plain"), Thread()
    ai.enqueue("a", thread, idempotency_key="monday")

    async def fail(*_: object) -> None:
        raise errors.StoreUnavailable("gone")

    monkeypatch.setattr(Client, "view", fail)
    jobs: list[str | Job] = [{"message": "a", "thread": thread, "idempotency_key": "monday"}, "b"]
    with pytest.raises(errors.NotAllEnqueued, match="Job 0: gone") as refused:
        ai.enqueue_many(jobs)
    assert refused.value.runs[1].messages[0].text == "b"
