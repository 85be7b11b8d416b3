"""Files that the provider does not take: reported by name, left out, and not tried for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.acceptance.bots.hosted import visit_url
from tests.acceptance.conftest import Lasting
from tests.support.environment import isolated_environment
from tests.support.processes.worker import Worker, Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, CodeInterpreter, FileSearch, Message, Run, Thread
from threadmill.client.current import close_client
from threadmill.printing.text import notice_of
from threadmill.testing import Call, Reply, Request, Search, StandIn, Text
from threadmill.testing.standin.faults import Refusal

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

READER = Assistant(name="reader", tools=[CodeInterpreter, FileSearch])


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> Worker:
    [worker] = lasting.workers.start("hosted")
    return worker


@pytest.fixture
def standin(lasting: Lasting, worker: Worker) -> StandIn:
    standin, hosting = lasting.fresh_standin(), lasting.standin.hosting
    for kept in (
        *(hosting.files, hosting.vector_stores),
        *(hosting.refused, hosting.unsearchable, hosting.never_indexed),
    ):
        kept.clear()  # type: ignore[attr-defined]
    return standin


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with three texts, a scan and a table."""
    for name in ("cats.txt", "dogs.md", "birds.txt", "scan.pdf", "table.xls"):
        (tmp_path / name).write_text(f"{name} says that cats purr.")
    return tmp_path


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    server = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"], decode_responses=True)
    yield server
    server.close()


def say(thread: Thread, text: str = "What do they say?", **options: Any) -> Run:
    options = {"event_handler_class": None, "timeout": 40} | options
    return READER.say(text, thread=thread, **options)


def failures(run: Run) -> list[dict[str, Any]]:
    return [event.data for event in run.events() if event.event == "threadmill.file.failed"]


def errors(message: Message) -> dict[str, str]:
    """The error of each attachment that has one, by its name."""
    attachments = message.attachments
    return {one["filename"]: one["error"] for one in attachments if "error" in one}


def asked_last(standin: StandIn) -> str:
    """What the user said last, as the model was told."""
    content = standin.requests[-1].items[-1]["content"]
    return "".join(part["text"] for part in content)


def searched(standin: StandIn) -> list[str]:
    """Names of the files in the one vector store."""
    [store] = standin.hosting.vector_stores.values()
    return [standin.hosting.files[id].name for id in store.file_ids]


# ---- uploads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["file_search", "code_interpreter"])
def test_a_refused_upload_is_reported_by_name_and_not_tried_again(
    use: str, standin: StandIn, files: Path, worker: Worker
) -> None:
    standin.hosting.refused["dogs.md"] = "Invalid file format."
    before, thread = worker.log(), Thread()
    paths = [files / "dogs.md", files / "cats.txt"]
    run = say(thread, **{f"{use}_files": paths})

    assert run.status == "completed"
    [told] = failures(run)
    assert (told["filename"], told["error"], told["uses"]) == (
        "dogs.md",
        "Invalid file format",
        [use],
    )
    assert "dogs.md" in (notice_of("threadmill.file.failed", told) or "")
    assert "dogs.md" in asked_last(standin)
    assert "Invalid file format" in asked_last(standin)
    assert "cats.txt" not in asked_last(standin)
    for message in (run.messages[0], thread.get_messages()[0]):
        assert errors(message) == {"dogs.md": "Invalid file format"}
    logged = worker.log_since(before)
    assert f"{thread.id} cannot be used: {told['file_id']}, for {use} (HTTP 400)" in logged
    assert "dogs.md" not in logged

    standin.hosting.refused.clear()
    again = say(thread, "And now?")
    assert (again.status, failures(again)) == ("completed", [])
    assert [file.name for file in standin.hosting.files.values()] == ["cats.txt"]
    # The model still knows why it cannot read the file.
    first = standin.requests[-1].items[0]["content"]
    assert "dogs.md" in "".join(part["text"] for part in first)


def test_a_file_that_is_attached_again_is_tried_again(standin: StandIn, files: Path) -> None:
    standin.hosting.refused["dogs.md"] = "Not today."
    thread = Thread()
    say(thread, file_search_files=[files / "dogs.md"])
    standin.hosting.refused.clear()
    run = say(thread, file_search_files=[files / "dogs.md"])
    assert (run.status, failures(run)) == ("completed", [])
    assert searched(standin) == ["dogs.md"]
    assert "cannot" not in asked_last(standin)
    first, *_, _, _ = thread.get_messages()
    assert errors(first) == {"dogs.md": "Not today"}
    assert errors(run.messages[0]) == {}


def test_a_file_that_is_too_large_for_the_provider_is_reported(
    standin: StandIn, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin.hosting, "file_bytes", 1000)
    (files / "birds.txt").write_text("x" * 1001)
    run = say(Thread(), code_interpreter_files=[files / "birds.txt", files / "cats.txt"])
    assert run.status == "completed"
    assert list(errors(run.messages[0])) == ["birds.txt"]
    assert len(standin.hosting.files) == 1


def test_a_search_is_not_forced_if_none_of_its_files_can_be_searched(
    standin: StandIn, files: Path
) -> None:
    standin.hosting.refused["cats.txt"] = "Invalid file format."
    forced = {"type": "file_search"}
    run = say(Thread(), file_search_files=[files / "cats.txt"], tool_choice=forced)
    assert run.status == "completed"
    assert standin.requests[-1].body["tool_choice"] == "auto"


def test_a_person_who_says_something_reads_which_file_cannot_be_used(
    standin: StandIn, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.hosting.refused["cats.txt"] = "Invalid file format."
    thread = Thread()
    READER.say("Read", thread=thread, file_search_files=[files / "cats.txt"])
    assert "(cats.txt cannot be searched: Invalid file format)" in capsys.readouterr().out


# ---- indexing ----------------------------------------------------------------------------------


def test_a_file_that_cannot_be_searched_is_reported_and_the_others_are_found(
    standin: StandIn, files: Path
) -> None:
    standin.brain = lambda _: Reply([Search(["Do cats purr?"]), Text("They do.")])
    standin.hosting.unsearchable["scan.pdf"] = "The file could not be parsed."
    thread = Thread()
    run = say(
        thread, file_search_files=[files / "cats.txt", files / "scan.pdf", files / "table.xls"]
    )
    assert run.status == "completed"
    assert errors(run.messages[0]) == {
        "scan.pdf": "The file could not be parsed",
        "table.xls": "The file type is not supported",
    }
    assert {one["filename"] for one in failures(run)} == {"scan.pdf", "table.xls"}
    [call] = run.steps[0].tool_calls
    assert call.file_search is not None
    assert [one["file_name"] for one in call.file_search["results"]] == ["cats.txt"]

    uploads = dict(standin.hosting.files)
    assert failures(say(thread, "And now?")) == []
    assert standin.hosting.files == uploads
    assert len(standin.hosting.vector_stores) == 1


def test_a_file_that_joins_a_vector_store_and_fails_is_reported(
    standin: StandIn, files: Path
) -> None:
    thread = Thread()
    say(thread, file_search_files=[files / "cats.txt"])
    standin.hosting.unsearchable["scan.pdf"] = "The file could not be parsed."
    paths = [files / "table.xls", files / "scan.pdf", files / "dogs.md"]
    run = say(thread, file_search_files=paths)
    assert run.status == "completed"
    assert set(errors(run.messages[0])) == {"scan.pdf", "table.xls"}
    assert "not supported for retrieval" in errors(run.messages[0])["table.xls"]
    assert searched(standin) == ["cats.txt", "scan.pdf", "dogs.md"]

    # A new attempt is a new upload: the vector store has a failed one for ever.
    standin.hosting.unsearchable.clear()
    again = say(thread, file_search_files=[files / "scan.pdf"])
    assert (again.status, failures(again)) == ("completed", [])
    assert searched(standin) == ["cats.txt", "scan.pdf", "dogs.md", "scan.pdf"]
    say(thread, "And now?")
    assert len(standin.hosting.files) == len([*paths, "cats.txt", "scan.pdf"])


def test_a_forgotten_vector_store_is_made_again_of_the_good_files(
    standin: StandIn, files: Path
) -> None:
    standin.hosting.unsearchable["scan.pdf"] = "The file could not be parsed."
    thread = Thread()
    say(thread, file_search_files=[files / "cats.txt", files / "scan.pdf"])
    standin.hosting.vector_stores.clear()
    assert say(thread, "Again").status == "completed"
    assert searched(standin) == ["cats.txt"]


def test_a_file_that_the_provider_has_lost_is_uploaded_again(standin: StandIn, files: Path) -> None:
    thread = Thread()
    say(thread, file_search_files=[files / "cats.txt"])
    standin.hosting.vector_stores.clear()
    standin.hosting.files.clear()
    run = say(thread, "Again", file_search_files=[files / "dogs.md"])
    assert (run.status, failures(run)) == ("completed", [])
    assert sorted(searched(standin)) == ["cats.txt", "dogs.md"]
    assert len(standin.hosting.vector_stores) == 1


def test_indexing_that_does_not_end_costs_one_run_a_part_of_its_time(
    standin: StandIn, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_RUN_SECONDS", "20")
    close_client()  # the next one reads the settings
    standin.brain = lambda _: Reply([Search(["Do cats purr?"]), Text("They do.")])
    standin.hosting.never_indexed.add("scan.pdf")
    thread = Thread()
    run = say(thread, file_search_files=[files / "cats.txt", files / "scan.pdf"])
    assert run.status == "completed"
    assert list(errors(run.messages[0])) == ["scan.pdf"]
    assert "scan.pdf" in asked_last(standin)

    # The next run does not wait for it.
    again = say(thread, "And now?", timeout=8)
    assert (again.status, failures(again)) == ("completed", [])
    # Once the provider has finished, the file is like any other.
    standin.hosting.never_indexed.clear()
    say(thread, "And now?")
    assert errors(thread.get_messages()[0]) == {}
    assert "scan.pdf" not in str(standin.requests[-1].items)
    assert len(standin.hosting.files) == 2
    close_client()


# ---- one vector store --------------------------------------------------------------------------


def test_a_worker_that_dies_while_files_are_indexed_leaves_no_second_vector_store(
    redis_server: RedisServer, files: Path
) -> None:
    with (
        StandIn() as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(files) as workers,
    ):
        standin.hosting.never_indexed.add("cats.txt")
        pair = workers.start("hosted", 2)
        run = READER.enqueue("Read", file_search_files=[files / "cats.txt"])
        wait_until(lambda: standin.hosting.vector_stores, "a vector store is made", 20)
        next(one for one in pair if one.name == run.refresh().worker).kill()
        wait_until(lambda: run.refresh().attempt == 2, "another worker continues", 20)
        standin.hosting.never_indexed.clear()
        assert run.wait(30).status == "completed"
        assert failures(run) == []
        assert len(standin.hosting.vector_stores) == len(standin.hosting.files) == 1


def test_a_vector_store_that_could_not_be_noted_is_found_at_the_provider(
    standin: StandIn, files: Path, server: redis.Redis
) -> None:
    thread = Thread()
    say(thread, file_search_files=[files / "cats.txt"])
    [key] = server.scan_iter(f"*attached:{thread.id}")
    [store] = standin.hosting.vector_stores.values()
    server.hdel(key, "store")
    server.hset(key, "store:begun", str(store.created_at))
    run = say(thread, file_search_files=[files / "dogs.md"])
    assert run.status == "completed"
    assert list(standin.hosting.vector_stores.values()) == [store]
    assert searched(standin) == ["cats.txt", "dogs.md"]


# ---- files that are gone -----------------------------------------------------------------------


def test_a_file_that_is_gone_from_redis_is_reported_and_the_thread_goes_on(
    standin: StandIn, files: Path, server: redis.Redis
) -> None:
    thread = Thread()
    added = thread.add("Look", code_interpreter_files=[files / "cats.txt", files / "dogs.md"])
    [key] = server.scan_iter(f"*attached:{thread.id}")
    [gone, damaged] = [attachment["file_id"] for attachment in added.attachments]
    server.hdel(key, gone)
    server.hset(key, damaged, "{")
    run = thread.run(READER, event_handler_class=None, timeout=30)
    assert run.status == "completed"
    assert set(errors(thread.get_messages()[0])) == {"cats.txt", "dogs.md"}
    assert failures(say(thread, "And now?")) == []


# ---- files that are refused with the request ---------------------------------------------------


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("The file odd.xyz has an unsupported format.", None),
        ("Failed to process {id}.", None),
        ("Invalid value.", "tools[0].container.file_ids"),
        ("Unsupported file type.", None),
    ],
)
def test_a_file_that_is_refused_with_the_request_is_reported_and_left_out(
    message: str, param: str | None, standin: StandIn, files: Path
) -> None:
    (files / "odd.xyz").write_text("?")

    def brain(request: Request) -> Reply | Refusal:
        tools = [one for one in request.body["tools"] if one["type"] == "code_interpreter"]
        for id in tools[0]["container"].get("file_ids", ()):
            if standin.hosting.files[id].name == "odd.xyz":
                return Refusal(400, message.format(id=id), param=param)
        return Reply([Text("Fine.")])

    standin.brain = brain
    thread = Thread()
    say(thread, code_interpreter_files=[files / "cats.txt"])
    run = say(thread, code_interpreter_files=[files / "odd.xyz"])
    assert run.status == "completed"
    assert list(errors(run.messages[0])) == ["odd.xyz"]
    assert errors(thread.get_messages()[0]) == {}
    assert len(failures(run)) == 1
    assert "odd.xyz" in asked_last(standin)

    asked = len(standin.requests)
    assert say(thread, "And now?").status == "completed"
    assert len(standin.requests) == asked + 1
    [tool] = [one for one in standin.requests[-1].body["tools"] if "container" in one]
    assert len(tool["container"]["file_ids"]) == 1


def test_a_file_for_code_that_the_provider_has_lost_is_uploaded_again(
    standin: StandIn, files: Path
) -> None:
    thread = Thread()
    say(thread, code_interpreter_files=[files / "cats.txt"])
    standin.hosting.files.clear()
    run = say(thread, "Again")
    assert (run.status, failures(run)) == ("completed", [])
    assert [file.name for file in standin.hosting.files.values()] == ["cats.txt"]


def test_a_vector_store_that_goes_between_two_turns_of_a_run_is_made_again(
    standin: StandIn, files: Path
) -> None:
    def brain(request: Request) -> Reply:
        if request.body["input"][-1].get("role") != "user":
            return Reply([Text("Fine.")])
        standin.hosting.vector_stores.clear()
        return Reply([Call("visit_url", {"url": "https://example.org"})])

    standin.brain = brain
    plotter = Assistant(name="plotter", tools=[FileSearch, visit_url])
    run = plotter.say("Go", file_search_files=[files / "cats.txt"], event_handler_class=None)
    assert run.status == "completed"
    assert searched(standin) == ["cats.txt"]
