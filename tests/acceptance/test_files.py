"""Files that a message attaches: checked where it is said, read where the provider's tools are."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.acceptance.conftest import Lasting
from tests.support.environment import embedded_environment, isolated_environment
from tests.support.processes.commands import run_script
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, CodeInterpreter, FileSearch, Run, Thread, errors
from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import Pause, Reply, Request, Search, StandIn, Text
from threadmill.testing.standin.plot import sine_plot

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


PLOT = sine_plot()
READER = Assistant(name="reader", tools=[CodeInterpreter, FileSearch])


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("hosted")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    standin = lasting.fresh_standin()
    for kept in (standin.hosting.files, standin.hosting.vector_stores):
        kept.clear()  # type: ignore[attr-defined]
    return standin


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a table, two texts and an image."""
    (tmp_path / "data.csv").write_text("x,y\n1,2\n")
    (tmp_path / "cats.txt").write_text("Cats purr when they are content.")
    (tmp_path / "dogs.md").write_text("Dogs bark at night.")
    (tmp_path / "plot.png").write_bytes(PLOT)
    return tmp_path


def say(text: str = "Look at this", assistant: Assistant = READER, **options: Any) -> Run:
    options = {"thread": Thread(), "event_handler_class": None, "timeout": 30} | options
    return assistant.say(text, **options)


def tool(standin: StandIn, type: str, request: int = -1) -> dict[str, Any]:
    """A tool as the provider was told of it."""
    tools = standin.requests[request].body["tools"]
    return next(one for one in tools if one["type"] == type)


# ---- files for the provider's tools ------------------------------------------------------------


def test_a_file_for_the_code_interpreter_is_in_its_container(standin: StandIn, files: Path) -> None:
    run = say(code_interpreter_files=[files / "data.csv"])
    assert run.status == "completed"

    [id] = tool(standin, "code_interpreter")["container"]["file_ids"]
    kept = standin.hosting.files[id]
    assert (kept.name, kept.content, kept.purpose) == ("data.csv", b"x,y\n1,2\n", "user_data")
    assert kept.expires_at is not None
    [attachment] = run.messages[0].attachments
    assert attachment["tools"] == [{"type": "code_interpreter"}]
    assert attachment["filename"] == "data.csv"
    assert Thread(id=run.thread_id).get_messages()[0].attachments == [attachment]


def test_a_file_is_given_to_the_provider_once_whatever_the_number_of_turns(
    standin: StandIn, files: Path
) -> None:
    thread = Thread()
    for text in ("First", "Second", "Third"):
        attached = [str(files / "data.csv")] if text == "First" else None
        say(text, thread=thread, code_interpreter_files=attached)
    ids = [tool(standin, "code_interpreter", at)["container"]["file_ids"] for at in range(3)]
    assert ids == [list(standin.hosting.files)] * 3
    assert len(standin.hosting.files) == 1


def test_a_file_for_the_search_is_found_by_it(standin: StandIn, files: Path) -> None:
    standin.brain = lambda _: Reply([Search(["Why do cats purr?"]), Text("They are content.")])
    thread = Thread()
    run = say("Why do cats purr?", thread=thread, file_search_files=[str(files / "cats.txt")])

    [call] = run.steps[0].tool_calls
    assert call.file_search is not None
    assert [one["file_name"] for one in call.file_search["results"]] == ["cats.txt"]
    [store] = standin.hosting.vector_stores.values()
    assert store.expires_after == {"anchor": "last_active_at", "days": 7}
    assert standin.hosting.files[store.file_ids[0]].purpose == "assistants"

    # A file of a later message joins the others.
    say("And this?", thread=thread, file_search_files=[files / "dogs.md"])
    assert list(standin.hosting.vector_stores.values()) == [store]
    assert len(store.file_ids) == 2
    assert tool(standin, "file_search")["vector_store_ids"] == [store.id]


def test_a_vector_store_that_the_provider_has_forgotten_is_made_again(
    standin: StandIn, files: Path
) -> None:
    thread = Thread()
    say("Look", thread=thread, file_search_files=[files / "cats.txt"])
    standin.hosting.vector_stores.clear()
    assert say("Again", thread=thread).status == "completed"
    [store] = standin.hosting.vector_stores.values()
    assert store.file_ids == list(standin.hosting.files)


def test_one_file_for_both_tools_is_one_file(standin: StandIn, files: Path) -> None:
    path = [files / "cats.txt"]
    run = say(code_interpreter_files=path, file_search_files=path)
    [attachment] = run.messages[0].attachments
    assert attachment["tools"] == [{"type": "code_interpreter"}, {"type": "file_search"}]
    assert len(standin.hosting.files) == 1


def test_a_file_may_be_added_before_anybody_runs_the_thread(standin: StandIn, files: Path) -> None:
    thread = Thread()
    added = thread.add("Here is the data", code_interpreter_files=[files / "data.csv"])
    assert [one["filename"] for one in added.attachments] == ["data.csv"]
    assert thread.run(READER).status == "completed"
    assert len(tool(standin, "code_interpreter")["container"]["file_ids"]) == 1


def test_files_wait_in_line_with_their_run(standin: StandIn, files: Path) -> None:
    thread = Thread()

    async def brain(request: Request) -> Reply:
        return Reply([Text("slow " * 40)], delay=0.01)

    standin.brain = brain
    first = READER.enqueue("First", thread)
    second = READER.enqueue("Second", thread, code_interpreter_files=[files / "data.csv"])
    assert second.wait(30).status == "completed"
    assert first.refresh().status == "completed"
    assert "file_ids" not in tool(standin, "code_interpreter", 0)["container"]
    assert len(tool(standin, "code_interpreter", 1)["container"]["file_ids"]) == 1


def test_a_run_that_moves_to_another_worker_gives_no_file_twice(
    redis_server: RedisServer, files: Path
) -> None:
    pause = Pause(after_tokens=10)

    def brain(request: Request) -> Reply:
        return Reply([Text("word " * 100)], pause=pause)

    with (
        StandIn(brain) as standin,
        isolated_environment(redis_server.fresh_database(), standin, "responses"),
        Workers(files) as workers,
    ):
        doomed, _ = workers.start("hosted", 2)
        run = READER.enqueue("Read", code_interpreter_files=[files / "data.csv"])
        standin.wait_until(lambda requests: bool(requests and requests[0].token_times), 20)
        holder = next(w for w in (doomed, _) if w.name == run.refresh().worker)
        holder.kill()
        pause.end()
        assert run.wait(30).status == "completed"
        assert run.attempt == 2
        assert len(standin.hosting.files) == 1


# ---- images ------------------------------------------------------------------------------------


def test_an_image_is_seen_by_the_model_in_this_turn_and_the_next(
    standin: StandIn, files: Path
) -> None:
    thread = Thread()
    url = "https://example.org/cat.png"
    run = say("What is this?", thread=thread, image_files=[files / "plot.png", url])
    assert [part.type for part in run.messages[0].content] == ["text", "image_file", "image_url"]
    say("Really?", thread=thread)
    data = f"data:image/png;base64,{base64.b64encode(PLOT).decode()}"
    for request in standin.requests:
        assert request.items[0]["content"] == [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "detail": "auto", "image_url": data},
            {"type": "input_image", "detail": "auto", "image_url": url},
        ]
    assert standin.hosting.files == {}


def test_an_image_is_seen_through_chat_completions_too(
    redis_server: RedisServer, files: Path
) -> None:
    with (
        StandIn() as standin,
        isolated_environment(redis_server.fresh_database(), standin, "chat"),
        Workers(files) as workers,
    ):
        workers.start("hosted")
        run = say("What is this?", Assistant(), image_files=[files / "plot.png"])
        assert run.status == "completed"
        [text, image] = standin.requests[-1].items[-1]["content"]
        assert text == {"type": "text", "text": "What is this?"}
        assert image["image_url"]["url"].startswith("data:image/png;base64,")


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"code_interpreter_files": ["gone.csv"]}, errors.BadMessage, "cannot be read"),
        ({"code_interpreter_files": ["."]}, errors.BadMessage, "^'.' cannot be read: it is"),
        ({"code_interpreter_files": ["empty"]}, errors.BadMessage, "is empty"),
        ({"code_interpreter_files": ["large"]}, errors.TooLarge, "THREADMILL_FILE_BYTES"),
        ({"code_interpreter_files": ["data.csv"] * 21}, errors.TooLarge, "20 are allowed"),
        ({"code_interpreter_files": "data.csv"}, TypeError, r"a list of paths.*\[path\]"),
        ({"file_search_files": [3]}, TypeError, "not of int"),
        ({"image_files": ["data.csv"]}, errors.BadMessage, "must be a PNG, JPEG, GIF or WebP"),
        ({"image_files": ["photo.png"] * 11}, errors.TooLarge, "48,000,000 are allowed"),
        ({"image_files": ["ftp://example.org/a.png"]}, errors.BadMessage, "https://"),
        ({"image_files": ["plot\0.png"]}, errors.BadMessage, "not a path"),
        (
            {"code_interpreter_files": ["data.csv"], "tools": [FileSearch]},
            errors.BadTool,
            r"tools=\[CodeInterpreter\]",
        ),
    ],
)
def test_what_cannot_be_attached_is_refused_before_anything_is_written(
    standin: StandIn,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    (files / "empty").touch()
    (files / "large").write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    (files / "photo.png").write_bytes(PLOT.ljust(3_500_000, b"x"))
    monkeypatch.chdir(files)
    server = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])
    before = set(server.scan_iter("threadmill:{*:thread:*"))
    with pytest.raises(error, match=said):
        say(**options)
    assert set(server.scan_iter("threadmill:{*:thread:*")) == before
    assert not list(server.scan_iter(f"*attached:{READER.default_thread.id}"))
    server.close()


def test_files_without_a_message_are_refused(standin: StandIn, files: Path) -> None:
    thread = Thread()
    thread.add("Hello")
    with pytest.raises(errors.BadMessage, match=r"thread\.add"):
        thread.run(READER, code_interpreter_files=[files / "data.csv"])


def test_the_same_key_with_another_file_is_a_mismatch(standin: StandIn, files: Path) -> None:
    thread = Thread()
    attached = {"thread": thread, "idempotency_key": "one"}
    first = READER.enqueue("Read", code_interpreter_files=[files / "data.csv"], **attached)  # type: ignore[arg-type]
    again = READER.enqueue("Read", code_interpreter_files=[files / "data.csv"], **attached)  # type: ignore[arg-type]
    assert again.id == first.id
    (files / "data.csv").write_text("x,y\n1,3\n")
    with pytest.raises(errors.IdempotencyMismatch):
        READER.enqueue("Read", code_interpreter_files=[files / "data.csv"], **attached)  # type: ignore[arg-type]
    first.wait(30)


# ---- what is kept ------------------------------------------------------------------------------


def test_a_deleted_thread_takes_its_files_along(standin: StandIn, files: Path) -> None:
    thread = Thread()
    run = say("Plot", thread=thread, code_interpreter_files=[files / "data.csv"])
    server = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])
    assert list(server.scan_iter(f"*attached:{thread.id}"))
    thread.delete()
    assert not list(server.scan_iter(f"*:{thread.id}")) or wait_until(
        lambda: not list(server.scan_iter(f"*attached:{thread.id}")), "it is gone"
    )
    assert not list(server.scan_iter(f"*files:{run.id}"))
    server.close()


def test_celerys_messages_carry_no_file(standin: StandIn, files: Path) -> None:
    # The broker is the same Redis: what is sent lies in the queue until a worker takes it.
    server = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])
    ai = Assistant(tools=[CodeInterpreter], queue="nobody")
    ai.enqueue("Read", code_interpreter_files=[files / "plot.png"])
    [message] = wait_until(lambda: server.lrange("threadmill.nobody", 0, -1), "it is sent")
    assert len(message) < 1500
    server.close()


@pytest.mark.parametrize("where", ["worker", "embedded"])
def test_a_script_attaches_files(where: str, standin: StandIn, files: Path) -> None:
    environment = embedded_environment() if where == "embedded" else dict(os.environ)
    printed = run_script("attach", folder=files, environment=environment)
    if where == "embedded":
        end_server(files / FOLDER)
    assert "User: What stands there? (data.csv, 1 image)" in printed
    assert [file.name for file in standin.hosting.files.values()] == ["data.csv"]
