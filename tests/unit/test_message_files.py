"""Messages in the Assistants API's form get the contents of the uploads that they name."""

from __future__ import annotations

from typing import Any

import pytest

from threadmill.testing.standin.plot import sine_plot
from threadmill_shared import errors, ids
from threadmill_shared.records.files import FileContent
from threadmill_shared.records.messages import NewMessage
from threadmill_shared.records.new_messages import read_new_messages
from threadmill_shared.store import message_files
from threadmill_shared.store.message_files import with_files

TEXT, PLOT = (
    FileContent(ids.new_file_id(), name, content)
    for name, content in (("a.txt", b"Cats purr."), ("plot.png", sine_plot()))
)
STORED = {file.id: file for file in (TEXT, PLOT)}
SEARCH = [{"type": "file_search"}]


async def read(file_id: str) -> FileContent:
    if file_id not in STORED:
        raise errors.FileNotFound(file_id)
    return STORED[file_id]


def message(*attached: str, images: tuple[str, ...] = ()) -> dict[str, Any]:
    parts = [
        {"type": "image_file", "image_file": {"file_id": id, "detail": "low"}} for id in images
    ]
    return {
        "role": "user",
        "content": [{"type": "text", "text": "Look"}, *parts],
        "attachments": [{"file_id": id, "tools": SEARCH} for id in attached],
    }


def new(*given: dict[str, Any]) -> tuple[NewMessage, ...]:
    return read_new_messages(list(given), max_bytes=1000)


async def test_a_message_gets_each_file_that_it_names_once() -> None:
    plain = message()
    before = new(message(TEXT.id, TEXT.id, images=(PLOT.id,)), message(TEXT.id), plain)
    first, second, third = await with_files(before, read)
    assert first.attached.files == (TEXT, PLOT)
    described = {"file_id": TEXT.id, "tools": SEARCH, "filename": "a.txt", "bytes": 10}
    assert first.item["attachments"] == [described, described]
    assert first.item["content"] == before[0].item["content"]
    assert second.attached.files == (TEXT,)
    assert third == before[2]


async def test_ids_of_the_provider_stay_as_they_are() -> None:
    before = new(message("file-BK7bzQj3FfZFXr7DbL6xJwfo", images=("assistant-1",)))
    assert await with_files(before, read) == before


async def test_what_is_not_there_or_no_image_is_refused() -> None:
    with pytest.raises(errors.FileNotFound):
        await with_files(new(message(ids.new_file_id())), read)
    with pytest.raises(errors.BadMessage, match="must be a PNG"):
        await with_files(new(message(images=(TEXT.id,))), read)


async def test_files_of_one_request_are_not_larger_than_memory_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_files, "MOST_BYTES", len(PLOT.content) + 9)
    with pytest.raises(errors.TooLarge, match="more than"):
        await with_files(new(message(TEXT.id), message(images=(PLOT.id,))), read)
