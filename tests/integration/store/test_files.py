"""Files beside threads and runs: they live as long as what they belong to, and no longer."""

from __future__ import annotations

import pytest
from tests.support.store.scene import Scene

from threadmill_shared import ids
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.files import (
    FileContent,
    ThreadVectorStore,
    Upload,
    distinct_names,
    harmless_name,
    image_type,
)
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.run_writer import RunWriter
from threadmill_workers.execution.interruption import LostRun

FILE = FileContent("file_1", "a.csv", b"\x00\xff1,2" * 200_000)
"""Large enough for several pieces."""
ATTACHED = Attached(files=(FILE,))


async def add(scene: Scene, text: str = "hello") -> None:
    id = ids.new_message_id()
    messages = [(id, user_message(id, text, attached=ATTACHED))]
    await scene.store.threads.add(scene.thread_id, messages, create=True, attached=ATTACHED)


async def ttl(scene: Scene, key: str) -> int:
    return int(await scene.command("PTTL", key))


async def test_an_attached_file_belongs_to_its_thread_and_goes_with_it(scene: Scene) -> None:
    key = scene.keys.attached(scene.thread_id)
    await add(scene)
    assert await scene.store.files.read_attached(scene.thread_id, FILE.id) == FILE
    assert await ttl(scene, key) == -1
    await add(scene, "again")
    await scene.store.threads.delete(scene.thread_id)
    assert await ttl(scene, key) == -2


async def test_a_file_for_a_thread_that_nobody_makes_goes_after_an_hour(scene: Scene) -> None:
    key = scene.keys.attached(scene.thread_id)
    await scene.store.files.attach(scene.thread_id, ATTACHED)
    assert 0 < await ttl(scene, key) <= 3_600_000
    await scene.store.threads.add(scene.thread_id, [], create=True)
    assert await ttl(scene, key) == -1


async def test_a_run_that_makes_its_thread_keeps_the_files_of_its_message(scene: Scene) -> None:
    key = scene.keys.attached(scene.thread_id)
    await scene.store.files.attach(scene.thread_id, ATTACHED)
    await scene.enqueue("hello")
    assert await ttl(scene, key) == -1


async def test_a_file_that_a_run_has_made_lives_as_long_as_its_record(scene: Scene) -> None:
    held = await scene.begin()
    run_id, key = held.record.id, scene.keys.files(held.record.id)
    writer = RunWriter(scene.store.session, run_id=run_id, token=held.token)
    for name, value in list(FILE.fields())[:-1]:
        assert await writer.store_field("files", name, value)
        assert await scene.store.files.read_produced(run_id, FILE.id) is None
    await held.store_produced(FILE)
    assert await ttl(scene, key) == -1
    assert [file.id for file in await scene.store.files.produced(run_id)] == [FILE.id]
    assert await scene.store.files.read_produced(run_id, FILE.id) == FILE
    assert await scene.store.files.read_produced(run_id, "file_2") is None

    await held.finish(Status.COMPLETED, Batch())
    record = await ttl(scene, scene.keys.run(run_id))
    assert abs(await ttl(scene, key) - record) < 1000

    with pytest.raises(LostRun):
        await held.store_produced(FileContent("file_2", "f.txt", b"too late"))
    assert [file.id for file in await scene.store.files.produced(run_id)] == [FILE.id]
    await scene.store.threads.delete(scene.thread_id)
    assert await ttl(scene, key) == -2


async def test_an_attempt_that_was_taken_over_keeps_nothing(scene: Scene) -> None:
    held = await scene.begin()
    await scene.store.runs.reclaim(await scene.record(held.record.id), max_deaths=3)
    with pytest.raises(LostRun):
        await held.note_vector_store(ThreadVectorStore("vs_1"))
    with pytest.raises(LostRun):
        await held.note_upload("file_1", Upload("file-1", 0))
    assert await ttl(scene, scene.keys.attached(scene.thread_id)) == -2


# ---- names and types ---------------------------------------------------------------------------


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("plot.png", "plot.png"),
        ("/mnt/data/plot.png", "plot.png"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("../..", "file"),
        ("", "file"),
        (".bashrc", "bashrc"),
        ("a\x1b[2J\nb.txt", "a_[2J_b.txt"),
        ("CON.txt", "file_CON.txt"),
        ("über.csv", "über.csv"),
        ("x" * 300 + ".png", "x" * 96 + ".png"),
        ("\udcff.txt", "_.txt"),
    ],
)
async def test_a_name_from_outside_does_no_harm(given: str, name: str) -> None:
    assert harmless_name(given) == name


@pytest.mark.one_server
async def test_names_that_are_taken_get_a_number() -> None:
    names = distinct_names("plot.png")
    assert [next(names) for _ in range(3)] == ["plot.png", "plot-1.png", "plot-2.png"]
    assert [*zip(distinct_names("data"), range(2), strict=False)][1][0] == "data-1"


@pytest.mark.one_server
async def test_an_image_is_told_by_its_content() -> None:
    beginnings = {
        b"\x89PNG\r\n\x1a\n": "png",
        b"\xff\xd8\xff\xe0": "jpeg",
        b"GIF89a": "gif",
        b"RIFF\0\0\0\0WEBP": "webp",
        b"%PDF": None,
        b"": None,
    }
    assert {begin: image_type(begin) for begin in beginnings} == beginnings


async def test_a_name_is_made_harmless_again_where_it_is_read(scene: Scene) -> None:
    file = FileContent("file_1", "../../evil.sh", b"x")
    await scene.store.files.attach(scene.thread_id, Attached(files=(file,)))
    read = await scene.store.files.read_attached(scene.thread_id, file.id)
    assert read is not None
    assert read.name == "evil.sh"
