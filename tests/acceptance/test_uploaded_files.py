"""Files that are uploaded once and named by messages, in place of paths."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.conftest import Lasting

from threadmill import Assistant, CodeInterpreter, File, FileSearch, Run, Thread, errors
from threadmill.client.current import current_client
from threadmill.client.operations import drive
from threadmill.testing import Reply, Search, StandIn, Text
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


def upload(folder: Path, name: str, content: bytes, **options: Any) -> File:
    (folder / name).write_bytes(content)
    return File.upload(folder / name, **options)


def say(text: str = "Look at this", **options: Any) -> Run:
    options = {"thread": Thread(), "event_handler_class": None, "timeout": 30} | options
    return READER.say(text, **options)


# ---- files -------------------------------------------------------------------------------------


def test_a_file_is_uploaded_found_read_and_deleted(tmp_path: Path) -> None:
    content = b"\x00\xff" * 400_000
    file = upload(tmp_path, "data.bin", content, purpose="user_data", expires_after=3600)
    assert (file.filename, file.bytes, file.purpose) == ("data.bin", len(content), "user_data")
    assert file.expires_at == file.created_at + 3600
    found = File.load(file.id)
    assert found == file
    assert found.content() == content
    paths = [found.download(tmp_path / "got"), found.download(tmp_path / "got")]
    assert [path.read_bytes() for path in paths] == [content, content]
    file.delete()
    file.delete()
    for read in (lambda: File.load(file.id), file.content, lambda: file.download(tmp_path)):
        with pytest.raises(errors.FileNotFound, match=file.id):
            read()


async def test_the_same_with_the_async_twins(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Cats purr.")
    file = await File.upload_async(str(tmp_path / "a.txt"), purpose="vision")
    assert await File.load_async(file.id) == file
    assert await file.content_async() == b"Cats purr."
    assert (await file.download_async(tmp_path / "got")).name == "a.txt"
    page = await File.list_async(purpose="vision", limit=1)
    assert page.data == [file]
    await file.delete_async()


def test_files_are_listed_page_by_page(tmp_path: Path) -> None:
    purpose = "evals"  # no other test has it
    made = [upload(tmp_path, f"{n}.txt", b"x", purpose=purpose) for n in range(5)]
    for order, wanted in (("asc", made), ("desc", made[::-1])):
        found: list[File] = []
        cursor = None
        while len(found) < 5:
            page = File.list(purpose=purpose, limit=2, order=order, cursor=cursor)  # type: ignore[arg-type]  # it is one of them
            found += page
            cursor = page.cursor
        assert (found, cursor) == (wanted, None)
    for file in made:
        file.delete()


def test_what_cannot_be_uploaded_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(errors.BadFile, match=r"empty' is empty"):
        File.upload(tmp_path / "empty")
    with pytest.raises(errors.BadFile, match="cannot be read"):
        File.upload(tmp_path / "missing")
    (tmp_path / "large").write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    with pytest.raises(errors.TooLarge, match="THREADMILL_FILE_BYTES"):
        File.upload(tmp_path / "large")
    (tmp_path / "a").write_text("x")
    for wrong in ({"purpose": "fun"}, {"expires_after": 3599}, {"expires_after": 2_592_001}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
            File.upload(tmp_path / "a", **wrong)  # type: ignore[arg-type]  # that is the point
    for wrong in ({"path": 5}, {"expires_after": True}):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be"):
            File.upload(**{"path": tmp_path / "a", **wrong})  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 10_001}, {"order": "up"}, {"purpose": "fun"}]
)
def test_a_list_is_asked_for_what_there_can_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        File.list(**wrong)
    with pytest.raises(errors.FileNotFound, match="not the id of an uploaded file"):
        File.list(cursor="file-1")


# ---- messages that name them -------------------------------------------------------------------


def test_tools_get_a_file_that_a_message_names_also_after_it_was_deleted(
    standin: StandIn, tmp_path: Path
) -> None:
    file = upload(tmp_path, "data.csv", b"x,y\n1,2\n")
    thread = Thread()
    added = thread.add("Here is the data", code_interpreter_files=[file.id])
    file.delete()
    [attachment] = added.attachments
    assert attachment == {
        "file_id": file.id,
        "tools": [{"type": "code_interpreter"}],
        "filename": "data.csv",
        "bytes": 8,
    }
    assert thread.run(READER, None).status == "completed"
    assert code_files(standin) == ["data.csv"]
    assert [one.content for one in standin.hosting.files.values()] == [b"x,y\n1,2\n"]
    assert thread.get_messages()[0].attachments == [attachment]


def test_additional_messages_name_files(standin: StandIn, tmp_path: Path) -> None:
    file = upload(tmp_path, "data.csv", b"x,y\n1,2\n")
    used = {"file_id": file.id, "tools": [{"type": "code_interpreter"}]}
    brought = [{"role": "user", "content": "Here is the data", "attachments": [used]}]
    run = READER.enqueue("Look", additional_messages=brought)
    file.delete()
    assert run.wait(30).status == "completed"
    assert code_files(standin) == ["data.csv"]
    first, *_ = Thread(id=run.thread_id).get_messages()
    assert first.attachments == [{**used, "filename": "data.csv", "bytes": 8}]


def beside(thread: Thread, *file_ids: str) -> set[str]:
    """Those of the files that lie beside the thread."""

    async def read() -> Any:
        files = current_client().store.files
        return await current_client().call(files.attached_infos(thread.id, file_ids))

    return set(drive(read()))


def test_messages_that_are_added_in_the_apis_form_name_files(tmp_path: Path) -> None:
    data = upload(tmp_path, "data.csv", b"x,y\n1,2\n")
    plot = upload(tmp_path, "plot.png", PLOT, purpose="vision")
    used = {"file_id": data.id, "tools": [{"type": "code_interpreter"}]}
    thread = Thread().create([{"role": "user", "content": "Look", "attachments": [used]}])
    added = thread.add([{"type": "image_file", "image_file": {"file_id": plot.id}}])
    data.delete()
    plot.delete()

    first, second = thread.get_messages()
    assert first.attachments == [{**used, "filename": "data.csv", "bytes": 8}]
    assert second == added
    assert beside(thread, data.id, plot.id) == {data.id, plot.id}
    with pytest.raises(errors.FileNotFound):
        thread.add([{"type": "image_file", "image_file": {"file_id": plot.id}}])
    assert len(thread.get_messages()) == 2


def test_a_file_is_searched_and_an_image_is_seen(standin: StandIn, tmp_path: Path) -> None:
    standin.brain = lambda _: Reply([Search(["Why do cats purr?"]), Text("They are content.")])
    cats = upload(tmp_path, "cats.txt", b"Cats purr when they are content.")
    plot = upload(tmp_path, "plot.png", PLOT, purpose="vision")
    run = say(file_search_files=[cats.id], image_files=[plot.id, tmp_path / "plot.png"])
    [call] = run.steps[0].tool_calls
    assert call.file_search is not None
    assert [one["file_name"] for one in call.file_search["results"]] == ["cats.txt"]
    parts = run.messages[0].content[1:]
    assert parts[0].image_file.file_id == plot.id  # type: ignore[union-attr]  # it is an image
    data = base64.b64encode(PLOT).decode()
    assert str(standin.requests[0].body).count(data) == 2


def test_what_the_model_cites_has_the_id_that_the_message_names(
    standin: StandIn, tmp_path: Path
) -> None:
    found = Search(["Why do cats purr?"])
    standin.brain = lambda _: Reply([found, Text("They are content.", ["cats.txt"])])
    cats = upload(tmp_path, "cats.txt", b"Cats purr when they are content.")
    thread = Thread()
    for text in ("Why do cats purr?", "Why again?"):
        run = say(text, thread=thread, file_search_files=[cats.id] if "again" not in text else None)
        [call] = run.steps[0].tool_calls
        assert call.file_search is not None
        assert [one["file_id"] for one in call.file_search["results"]] == [cats.id]
        [part] = run.messages[-1].content
        [citation] = part.text.annotations  # type: ignore[union-attr]  # it is a text
        assert citation.file_citation.file_id == cats.id
    sent = [one for one in standin.requests[-1].body["input"] if one["type"] == "file_search_call"]
    assert cats.id not in str(sent), "the provider gets its own id back"


def test_the_code_interpreter_of_an_assistant_names_files(standin: StandIn, tmp_path: Path) -> None:
    file = upload(tmp_path, "data.csv", b"x,y\n1,2\n")
    other = upload(tmp_path, "more.csv", b"x,y\n3,4\n")
    ai = Assistant(name="reader", tools=[CodeInterpreter(file_ids=(file.id,))])
    run = ai.say("Look", Thread(), None, timeout=30, code_interpreter_files=[other.id])
    assert run.status == "completed"
    assert code_files(standin) == ["data.csv", "more.csv"]

    # What the provider has of it serves the thread's next runs; another thread asks for the file.
    file.delete()
    assert ai.say("Again", Thread(id=run.thread_id), None, timeout=30).status == "completed"
    assert code_files(standin) == ["data.csv", "more.csv"]
    without = ai.say("Look", Thread(), None, timeout=30)
    assert without.status == "completed"
    assert code_files(standin) == []
    [failed] = [one for one in without.events() if one.event == "threadmill.file.failed"]
    assert failed.data["file_id"] == file.id
    assert failed.data["error"] == "it is gone from Redis"


def code_files(standin: StandIn) -> list[str]:
    """The names of the files that the last request gave the code interpreter."""
    [tool] = [one for one in standin.requests[-1].body["tools"] if "container" in one]
    return [standin.hosting.files[id].name for id in tool["container"].get("file_ids", [])]


def test_two_threads_have_copies_of_their_own(standin: StandIn, tmp_path: Path) -> None:
    file = upload(tmp_path, "data.csv", b"x,y\n1,2\n")
    first, second = (say(code_interpreter_files=[file.id]) for _ in range(2))
    file.delete()
    Thread(id=first.thread_id).delete()
    again = say("Again", thread=Thread(id=second.thread_id))
    assert again.status == "completed"
    assert len(standin.hosting.files) == 2


def test_a_message_that_names_a_file_that_is_not_there_is_not_added(tmp_path: Path) -> None:
    file, thread = upload(tmp_path, "a.txt", b"x"), Thread().create()
    file.delete()
    with pytest.raises(errors.FileNotFound, match=file.id):
        thread.add("Look", file_search_files=[file.id])
    text = upload(tmp_path, "a.txt", b"x")
    with pytest.raises(errors.BadMessage, match="must be a PNG"):
        thread.add("Look", image_files=[text.id])
    assert thread.get_messages() == []


@pytest.mark.usefixtures("standin")
def test_whoever_names_a_file_first_keeps_old_workers_from_starting(tmp_path: Path) -> None:
    store = current_client().store
    file = upload(tmp_path, "a.txt", b"x")
    Thread().add("Look", file_search_files=[file.id])

    async def stored_format() -> str:
        key = store.session.keys.format()
        return str(await current_client().call(store.session.runner.command("GET", key)))

    assert drive(stored_format()) == "2"
