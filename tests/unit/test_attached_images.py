"""Which images a request carries, and what stands in place of the others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from threadmill_shared import ids
from threadmill_shared.errors import ModelRefused
from threadmill_shared.records.files import FileContent, FileFailure, FileInfo
from threadmill_shared.records.items import Item, image_part, text_part
from threadmill_workers.execution import attached_images
from threadmill_workers.execution.attached_images import AttachedImages, ShownImages
from threadmill_workers.execution.file_failures import AttachedFile

RUN, EARLIER = "run_now", "run_before"
PNG = b"\x89PNG\r\n\x1a\n"
IMAGE = 600
"""Bytes of a test's image; 800 as a data URL."""


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached_images, "IMAGE_BYTES", 2400)
    monkeypatch.setattr(attached_images, "MOST_IMAGES", 5)
    monkeypatch.setattr(attached_images, "CURRENT_IMAGE_BYTES", 4800)
    monkeypatch.setattr(attached_images, "MOST_CURRENT_IMAGES", 8)


class Files:
    """The files of a thread, and what was read of them."""

    def __init__(self) -> None:
        self.kept: dict[str, FileContent] = {}
        self.read: list[str] = []
        self.files = self

    def add(self, name: str, size: int = IMAGE, begin: bytes = PNG) -> str:
        content = begin + b"x" * (size - len(begin))
        file = FileContent(ids.attached_file_id(name, content), name, content)
        self.kept[file.id] = file
        return file.id

    async def attached_infos(self, _: str, file_ids: list[str]) -> dict[str, FileInfo]:
        kept = [self.kept[id] for id in file_ids if id in self.kept]
        return {one.id: FileInfo(one.id, one.name, len(one.content), "png") for one in kept}

    async def read_attached(self, _: str, file_id: str) -> FileContent | None:
        self.read.append(self.kept[file_id].name)
        return self.kept[file_id] if self.kept[file_id].content else None


class Failures:
    """What is noted of a thread's files."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    async def load(self, _: list[str]) -> None:
        pass

    def find(self, file: AttachedFile, use: str) -> FileFailure | None:
        [message_id] = file.places[use]
        found = (message_id, file.name) in self.noted
        return FileFailure((use,), "noted") if found else None

    async def add(self, file: AttachedFile, failure: FileFailure, _: int | None) -> None:
        [message_id] = file.places[failure.uses[0]]
        self.noted.append((message_id, file.name))


def said(text: str, *file_ids: str, run_id: str | None = EARLIER) -> Item:
    return {
        "type": "message",
        "id": f"msg_{text}",
        "role": "user",
        "content": [text_part(text), *map(image_part, file_ids)],
        "status": "completed",
        "run_id": run_id,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": {},
    }


def answered() -> Item:
    item: Any = said("answer")
    return item | {"role": "assistant"}


def images_of(files: Files, failures: Failures) -> AttachedImages:
    store: Any = files
    noted: Any = failures
    return AttachedImages(store, "thread_1", RUN, noted)


async def show(files: Files, *items: Item, failures: Failures | None = None) -> ShownImages:
    return await images_of(files, failures or Failures()).show(items)


def described(files: Files, shown: ShownImages) -> list[str]:
    """Each image that is shown, by its name, and each text."""
    found = []
    for item in shown.items:
        for part in item["content"]:  # type: ignore[typeddict-item]
            if part["type"] == "text":
                found.append(part["text"]["value"].strip())
            elif part["type"] == "image_url":
                found.append(part["image_url"]["url"])
            elif part["image_file"]["file_id"] in shown.urls:
                found.append(files.kept[part["image_file"]["file_id"]].name)
    return found


async def test_without_images_nothing_is_read() -> None:
    items = [said("Hello", run_id=RUN)]
    shown = await show(Files(), *items)
    assert (list(shown.items), shown.urls) == (items, {})


async def test_an_image_is_sent_as_a_data_url() -> None:
    files = Files()
    id = files.add("a.png")
    shown = await show(files, said("See", id, run_id=RUN))
    data = base64.b64encode(files.kept[id].content).decode()
    assert shown.urls == {id: f"data:image/png;base64,{data}"}


async def test_the_newest_images_of_earlier_turns_are_sent_and_others_are_not_read() -> None:
    files = Files()
    names = [files.add(f"{number}.png") for number in range(5)]
    earlier = [one for id in names for one in (said("See", id), answered())]
    shown = await show(files, *earlier, said("Well?", run_id=RUN))
    assert [one for one in described(files, shown) if "png" in one] == [
        "[The image 0.png was left out.]",
        "[The image 1.png was left out.]",
        *("2.png", "3.png", "4.png"),
    ]
    assert sorted(files.read) == ["2.png", "3.png", "4.png"]
    assert len(shown.urls) == 3


async def test_of_added_messages_the_oldest_images_are_left_out_beyond_the_larger_limit() -> None:
    files = Files()
    names = [files.add(f"{number}.png") for number in range(7)]
    added = [said("See", id, run_id=None) for id in names[:4]]
    shown = await show(files, *added, said("These", *names[4:], run_id=RUN))
    assert [one for one in described(files, shown) if "png" in one] == [
        "[The image 0.png was left out.]",
        *(f"{number}.png" for number in range(1, 7)),
    ]
    assert "0.png" not in files.read


async def test_the_number_of_images_of_the_current_turn_is_limited_too() -> None:
    files = Files()
    names = [files.add(f"{number}.png", size=30) for number in range(10)]
    shown = await show(files, *(said("See", id, run_id=None) for id in names))
    assert len(shown.urls) == 8
    assert "[The image 1.png was left out.]" in described(files, shown)


async def test_a_message_that_is_too_large_alone_fails_no_run() -> None:
    files = Files()
    names = [files.add(f"{number}.png") for number in range(7)]
    shown = await show(files, said("These", *names, run_id=RUN))
    assert described(files, shown)[1:3] == ["[The image 0.png was left out.]", "1.png"]


async def test_an_image_that_is_left_out_and_gone_fails_no_run() -> None:
    files = Files()
    old, *new = [files.add(f"{number}.png") for number in range(7)]
    kept = files.kept[old]
    files.kept[old] = FileContent(old, kept.name, b"")
    infos = files.attached_infos

    async def claimed(thread_id: str, file_ids: list[str]) -> dict[str, FileInfo]:
        return await infos(thread_id, file_ids) | {old: FileInfo(old, "0.png", IMAGE, "png")}

    files.attached_infos = claimed  # type: ignore[method-assign]
    shown = await show(files, said("See", old, run_id=None), said("These", *new, run_id=RUN))
    assert "[The image 0.png was left out.]" in described(files, shown)


@pytest.mark.parametrize("run_id", [None, EARLIER])
async def test_the_size_of_a_data_url_counts(run_id: str | None) -> None:
    files = Files()
    url = f"data:image/png;base64,{'A' * 5000}"
    address: Any = said("See", run_id=run_id)
    address["content"].append({"type": "image_url", "image_url": {"url": url}})
    shown = await show(files, address, answered(), said("Well?", files.add("a.png"), run_id=RUN))
    texts = described(files, shown)
    assert url not in texts
    assert texts[-1] == "a.png"


async def test_the_current_turn_is_whole_and_takes_the_room() -> None:
    files = Files()
    old, *new = [files.add(f"{number}.png") for number in range(5)]
    current = [said("These", *new[:2], run_id=None), said("and these", *new[2:], run_id=RUN)]
    shown = await show(files, said("See", old), answered(), *current)
    assert len(shown.urls) == 4
    assert "[The image 0.png was left out.]" in described(files, shown)


async def test_the_number_of_images_is_limited_too() -> None:
    files = Files()
    small = [files.add(f"{number}.png", size=30) for number in range(6)]
    address: Any = said("See", run_id=RUN)
    address["content"].append({"type": "image_url", "image_url": {"url": "https://e.org/x"}})
    shown = await show(files, said("See", *small), answered(), address)
    assert described(files, shown)[1:3] == [
        "[The image 0.png was left out.]",
        "[The image 1.png was left out.]",
    ]
    assert len(shown.urls) == 4


async def test_an_image_that_is_shown_again_is_sent_where_there_is_room() -> None:
    files = Files()
    id = files.add("a.png", size=1500)
    shown = await show(files, said("See", id), answered(), said("Again", id, run_id=RUN))
    assert described(files, shown) == [
        *("See", "[The image a.png was left out.]"),
        *("answer", "Again", "a.png"),
    ]


async def test_an_image_is_read_once_for_all_requests_of_a_run() -> None:
    files = Files()
    items = [said("See", files.add("a.png"), run_id=RUN)]
    images = images_of(files, Failures())
    assert await images.show(items) == await images.show(items)
    assert files.read == ["a.png"]


@pytest.mark.parametrize("how", ["gone", "without its pieces", "not an image"])
async def test_an_unreadable_image_fails_the_run_of_its_turn_only(how: str) -> None:
    files, failures = Files(), Failures()
    id = files.add("a.png", begin=b"text" if how == "not an image" else PNG)
    name = "a.png"
    if how == "gone":
        del files.kept[id]
        name = id
    elif how == "without its pieces":
        files.kept[id] = FileContent(id, "a.png", b"")

    with pytest.raises(ModelRefused, match=name):
        await show(files, said("See", id, run_id=RUN), failures=failures)
    assert failures.noted == [("msg_See", name)]
    for later in ([said("See", id), answered()], [said("See", id, run_id="run_failed")]):
        shown = await show(files, *later, said("Well?", run_id=RUN), failures=failures)
        assert f"[The image {name} is gone.]" in described(files, shown)


async def test_an_added_message_with_an_unreadable_image_fails_one_run() -> None:
    files, failures = Files(), Failures()
    id = files.add("a.png")
    del files.kept[id]
    added = said("See", id, run_id=None)
    with pytest.raises(ModelRefused):
        await show(files, added, failures=failures)
    for items in ([added], [added, said("Well?", run_id=RUN)]):
        shown = await show(files, *items, failures=failures)
        assert f"[The image {id} is gone.]" in described(files, shown)


async def test_what_stands_in_place_of_an_image_is_not_stored() -> None:
    files = Files()
    item = said("See", files.add("a.png", size=4000))
    await show(files, item, answered(), said("Well?", run_id=RUN))
    assert [part["type"] for part in item["content"]] == ["text", "image_file"]  # type: ignore[typeddict-item]
