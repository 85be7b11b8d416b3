"""Files that users upload: as a whole or not at all, until they are deleted or expire."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from tests.support.store.pages import ORDERS, plain_page, some_queries
from tests.support.store.scene import Scene
from tests.support.waiting import wait_until_async

from threadmill_shared import errors, ids
from threadmill_shared.records.files import FileContent, UploadedFile
from threadmill_shared.records.page import Order, PageQuery
from threadmill_shared.store.index_cleaner import IndexCleaner

LARGE = b"\x00\xff1,2" * 200_000
"""Of several pieces."""


def new_file(content: bytes = b"1,2", name: str = "a.csv") -> FileContent:
    return FileContent(ids.new_file_id(), name, content)


async def uploaded(scene: Scene, count: int, purpose: str = "assistants") -> list[str]:
    made = [new_file(str(number).encode()) for number in range(count)]
    return [(await scene.store.uploaded_files.upload(one, purpose=purpose)).id for one in made]


async def page(
    scene: Scene, query: PageQuery, purpose: str | None = None
) -> tuple[list[str], bool]:
    found = await scene.store.uploaded_files.page(query, purpose)
    return [one.id for one in found.data], found.has_more


async def expire(scene: Scene, file_id: str) -> None:
    """As if its time had come."""
    await scene.command("PEXPIRE", scene.keys.file(file_id), 1)

    async def is_gone() -> bool:
        return not await scene.command("EXISTS", scene.keys.file(file_id))

    await wait_until_async(is_gone)


# ---- one file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"1,2", LARGE])
async def test_a_file_is_read_as_it_was_uploaded(scene: Scene, content: bytes) -> None:
    files, file = scene.store.uploaded_files, new_file(content)
    found = await files.upload(file, purpose="assistants")
    now = await scene.store.server.now() // 1000
    assert found == UploadedFile(file.id, "a.csv", len(content), "assistants", found.created_at)
    assert found.created_at == pytest.approx(now, abs=60)
    assert await files.find(file.id) == found
    assert await files.content(file.id) == file


async def test_a_file_goes_at_its_time(scene: Scene) -> None:
    files, file = scene.store.uploaded_files, new_file()
    found = await files.upload(file, purpose="user_data", lifetime=3600)
    assert found.expires_at == found.created_at + 3600
    assert 3500 < await scene.ttl(scene.keys.file(file.id)) <= 3600
    await expire(scene, file.id)
    for read in (files.find, files.content):
        with pytest.raises(errors.FileNotFound, match="has expired"):
            await read(file.id)
    assert await page(scene, PageQuery()) == ([], False)
    assert await scene.contents() == {}, "the list has removed its entry"


async def test_the_daily_pass_removes_the_entry_of_a_file_that_has_expired(scene: Scene) -> None:
    [file_id] = await uploaded(scene, 1)
    await expire(scene, file_id)
    index = scene.keys.all_files(file_id)
    cleaner = IndexCleaner(scene.store.session)
    assert cleaner.is_index(index)
    assert [entries async for entries in cleaner.clean(index)] == [1]
    assert await scene.contents() == {}


async def test_what_a_dead_uploader_leaves_expires_and_is_nowhere_seen(scene: Scene) -> None:
    files, file = scene.store.uploaded_files, new_file(LARGE)
    await files._write(file.id, [*file.fields()][:2])
    assert 0 < await scene.ttl(scene.keys.file(file.id)) <= 3600
    with pytest.raises(errors.FileNotFound):
        await files.find(file.id)
    assert await page(scene, PageQuery()) == ([], False)
    await files.upload(file, purpose="assistants")
    assert await files.content(file.id) == file
    assert await scene.ttl(scene.keys.file(file.id)) == -1


async def test_pieces_that_a_failover_has_lost_are_written_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, file = scene.store.uploaded_files, new_file(LARGE)
    write, written = files._write, []

    async def write_and_lose(file_id: str, pieces: list[tuple[str, str]]) -> None:
        await write(file_id, pieces)
        written.append(len(pieces))
        if len(written) == 1:
            await scene.command("HDEL", scene.keys.file(file_id), pieces[0][0])

    monkeypatch.setattr(files, "_write", write_and_lose)
    await files.upload(file, purpose="assistants")
    assert len(written) == 2
    assert await files.content(file.id) == file


async def test_what_a_larger_file_with_the_same_id_has_left_is_not_taken_for_a_piece(
    scene: Scene,
) -> None:
    files, small = scene.store.uploaded_files, new_file()
    large = FileContent(small.id, small.name, LARGE)
    await files._write(large.id, [*large.fields()][:-1])
    with pytest.raises(errors.IdempotencyMismatch, match=small.id):
        await files.upload(small, purpose="assistants")
    await files.upload(large, purpose="assistants")
    assert await files.content(large.id) == large


async def test_an_upload_that_is_repeated_is_one_file(scene: Scene) -> None:
    files, file = scene.store.uploaded_files, new_file(LARGE)
    first = await files.upload(file, purpose="assistants")
    at_once = await asyncio.gather(*(files.upload(file, purpose="assistants") for _ in range(3)))
    assert at_once == [first] * 3
    assert await page(scene, PageQuery()) == ([file.id], False)
    for other in (
        FileContent(file.id, file.name, b"other"),
        FileContent(file.id, "b.csv", file.content),
    ):
        with pytest.raises(errors.IdempotencyMismatch, match=file.id):
            await files.upload(other, purpose="assistants")
    assert await files.content(file.id) == file


async def test_a_deleted_file_is_gone_for_everybody(scene: Scene) -> None:
    files, [file_id] = scene.store.uploaded_files, await uploaded(scene, 1)
    assert await files.delete(file_id)
    assert not await files.delete(file_id)
    with pytest.raises(errors.FileNotFound):
        await files.find(file_id)
    with pytest.raises(errors.FileNotFound):
        await files.content(file_id)
    assert await page(scene, PageQuery()) == ([], False)


@pytest.mark.parametrize("odd", ["", "file-1", "file_" + "0" * 32, "file-ff" + "0" * 26, "file-*"])
async def test_what_is_no_id_of_a_file_is_not_found(scene: Scene, odd: str) -> None:
    files = scene.store.uploaded_files
    for read in (files.find, files.content):
        with pytest.raises(errors.FileNotFound, match="not the id of an uploaded file"):
            await read(odd)
    assert not await files.delete(odd)
    with pytest.raises(errors.FileNotFound):
        await files.page(PageQuery(after=odd))


async def test_a_damaged_file_is_not_found_and_hides_no_other(scene: Scene) -> None:
    files, made = scene.store.uploaded_files, await uploaded(scene, 2)
    for damaged in ("{", "[]", '{"name": "a"}'):
        await scene.command("HSET", scene.keys.file(made[0]), made[0], damaged)
        with pytest.raises(errors.FileNotFound):
            await files.find(made[0])
        assert await page(scene, PageQuery()) == ([made[1]], False)
    assert await files.delete(made[0])


# ---- lists -------------------------------------------------------------------------------------


async def walk(scene: Scene, order: Order, *, delete: bool = False) -> list[str]:
    found: list[str] = []
    has_more = True
    while has_more:
        after = found[-1] if found else None
        data, has_more = await page(scene, PageQuery(4, order, after=after))
        found += data
        for file_id in data if delete else ():
            assert await scene.store.uploaded_files.delete(file_id)
    return found


@pytest.mark.parametrize("order", ORDERS)
async def test_each_file_is_listed_once_even_if_it_is_deleted_then(
    scene: Scene, order: Order
) -> None:
    made = await uploaded(scene, 15)
    wanted = made if order == "asc" else made[::-1]
    assert await walk(scene, order) == wanted
    assert await walk(scene, order, delete=True) == wanted
    assert await walk(scene, order) == []


@pytest.mark.any_server
async def test_every_page_is_what_the_definition_says(scene: Scene) -> None:
    made = await uploaded(scene, 12)
    for query in some_queries(made, Random(7), 200):
        assert await page(scene, query) == plain_page(made, query), query


@pytest.mark.any_server
async def test_a_page_of_a_purpose_has_only_files_for_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadmill_shared.store.uploaded_files.STEP", 3)
    made, wanted = [], []
    for number in range(12):
        [file_id] = await uploaded(scene, 1, "vision" if number % 4 == 0 else "assistants")
        made.append(file_id)
        wanted += [file_id] if number % 4 == 0 else []
    assert await page(scene, PageQuery(9, "asc"), "vision") == (wanted, False)
    assert await page(scene, PageQuery(2, "asc"), "vision") == (wanted[:2], True)
    assert await page(scene, PageQuery(2, "desc", after=made[4]), "vision") == (made[:1], False)
    assert await page(scene, PageQuery(), "evals") == ([], False)
