"""Images that a request carries: those of the current turn, and of earlier ones the newest.

Each request repeats the images of its conversation, so without a limit a few photographs would make
all further requests slow, and in the end too large. An image that is left out, or an earlier one
that is gone, is replaced by a text. Of the current turn images are left out only if no provider
would take the request: messages that are added to a thread are of it until a run answers them.
"""

from __future__ import annotations

import base64
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from threadmill_shared import errors, ids
from threadmill_shared.records import lenient
from threadmill_shared.records.files import (
    MOST_IMAGE_BYTES,
    FileFailure,
    FileInfo,
    data_url_bytes,
    image_type,
)
from threadmill_shared.records.items import Item, text_part
from threadmill_shared.store.store import Store
from threadmill_workers.execution.file_failures import IMAGE, AttachedFile, FileFailures
from threadmill_workers.execution.reduction import current_turn_start

IMAGE_BYTES = 15_000_000
"""Of data URLs in one request, unless the current turn alone has more. The strictest of the large
providers, Gemini, takes requests of 20 MB, and the texts need room, too."""
MOST_IMAGES = 50
"""In one request, unless the current turn alone has more. Providers take from 10 to 500, and each
costs as many tokens as a page of text."""
CURRENT_IMAGE_BYTES = MOST_IMAGE_BYTES
"""Of data URLs of the current turn."""
MOST_CURRENT_IMAGES = 500

_GONE = "it is gone from Redis, or damaged"


@dataclass(frozen=True, slots=True)
class _Image:
    """One image of a conversation."""

    place: tuple[int, int]
    """Index of the message among the items, and of the part in its content."""
    message_id: str
    file_id: str
    """Empty if it is not a file but an address."""
    address: str = ""
    """Its address, if it is one; a data URL if it comes from another store."""


@dataclass(frozen=True, slots=True)
class ShownImages:
    """A conversation as the model sees it."""

    items: Sequence[Item]
    """With texts in place of the images that it does not see."""
    urls: Mapping[str, str]
    """The images that are files, as data URLs by our ids."""


class AttachedImages:
    """The images of one run's thread."""

    def __init__(self, store: Store, thread_id: str, run_id: str, failures: FileFailures) -> None:
        """Nothing is read yet.

        Args:
            store: where the images are.
            thread_id: whose they are.
            run_id: the run that sends them.
            failures: those of the thread's files; learns further ones.
        """
        self._store = store
        self._thread_id = thread_id
        self._run_id = run_id
        self._failures = failures
        self._infos: dict[str, FileInfo] = {}
        self._urls: dict[str, str] = {}
        """What the last request carries."""

    async def show(self, items: Sequence[Item]) -> ShownImages:
        """Choose and read the images that a request carries.

        Raises:
            ModelRefused: a chosen image of the current turn cannot be read.
        """
        images = list(_images(items))
        if not images:
            return ShownImages(items, {})
        start = current_turn_start(items, self._run_id)
        await self._read_infos(images)
        earlier = [image for image in images if image.place[0] < start]
        current = self._newest(
            images[len(earlier) :], [], count=MOST_CURRENT_IMAGES, size=CURRENT_IMAGE_BYTES
        )
        earlier = self._newest(earlier, current, count=MOST_IMAGES, size=IMAGE_BYTES)
        chosen = {image.place for image in (*earlier, *current)}
        await self._read_urls({one.file_id for one in (*earlier, *current) if one.file_id})
        for image in current:
            if image.file_id and image.file_id not in self._urls:
                await self._refuse(image)
        texts = {image.place: self._text(image, chosen) for image in images}
        return ShownImages(_replaced(items, texts), self._urls)

    # ---- choosing --------------------------------------------------------------------------------

    def _newest(
        self, images: Sequence[_Image], others: Sequence[_Image], *, count: int, size: int
    ) -> list[_Image]:
        """The newest ones that are at most so many and so large together with the others."""
        count, size = count - len(others), size - sum(map(self._size, others))
        chosen: list[_Image] = []
        for image in reversed(images):
            count, size = count - 1, size - self._size(image)
            if count < 0 or size < 0:
                break
            chosen.append(image)
        return chosen[::-1]

    def _size(self, image: _Image) -> int:
        """Bytes of its data URL, or of its address."""
        info = self._infos.get(image.file_id)
        return len(image.address) if info is None else data_url_bytes(info.bytes)

    # ---- reading ---------------------------------------------------------------------------------

    async def _read_infos(self, images: Sequence[_Image]) -> None:
        wanted = {image.file_id for image in images if image.file_id} - self._infos.keys()
        self._infos |= await self._store.files.attached_infos(self._thread_id, sorted(wanted))

    async def _read_urls(self, file_ids: set[str]) -> None:
        """Read these images, of which some may be there from the last request, and forget others.

        Those that cannot be read are left out.
        """
        self._urls = {id: url for id, url in self._urls.items() if id in file_ids}
        for file_id in sorted(file_ids & self._infos.keys() - self._urls.keys()):
            file = await self._store.files.read_attached(self._thread_id, file_id)
            kind = None if file is None else image_type(file.content)
            if file is not None and kind is not None:
                data = base64.b64encode(file.content).decode()
                self._urls[file_id] = f"data:image/{kind};base64,{data}"

    async def _refuse(self, image: _Image) -> None:
        """Fail the run for an image of the current turn, unless an earlier run has failed for it.

        A message that was added to the thread is of the current turn until one is answered: it
        must not fail all runs.

        Raises:
            ModelRefused: the image cannot be read.
        """
        name = self._name(image)
        file = AttachedFile(image.file_id, name, {IMAGE: [image.message_id]})
        await self._failures.load([image.message_id])
        if self._failures.find(file, IMAGE) is None:
            await self._failures.add(file, FileFailure((IMAGE,), _GONE), None)
            raise errors.ModelRefused(
                f"The image {name} cannot be sent: {_GONE}. Attach it again to have it seen."
            )

    # ---- what the model is told ------------------------------------------------------------------

    def _text(self, image: _Image, chosen: Container[tuple[int, int]]) -> str:
        """What stands in place of an image; empty if it is shown."""
        if image.place not in chosen:
            return f"\n[The image {self._name(image)} was left out.]"
        if image.file_id and image.file_id not in self._urls:
            return f"\n[The image {self._name(image)} is gone.]"
        return ""

    def _name(self, image: _Image) -> str:
        info = self._infos.get(image.file_id)
        return (info and info.name) or image.file_id or "from the web"


def _images(items: Sequence[Item]) -> Iterator[_Image]:
    """The images of users' messages, oldest first."""
    for index, item in enumerate(items):
        if item["type"] != "message" or item["role"] != "user":
            continue
        for place, part in enumerate(item["content"]):
            if part["type"] == "image_url":
                address = lenient.text(part["image_url"]["url"])
                yield _Image((index, place), item["id"], "", address)
            elif part["type"] == "image_file":
                file_id = lenient.text(part["image_file"]["file_id"])
                if ids.is_attached_file_id(file_id):
                    yield _Image((index, place), item["id"], file_id)


def _replaced(items: Sequence[Item], texts: Mapping[tuple[int, int], str]) -> list[Item]:
    """The items, with these texts in place of parts of their contents."""
    shown = list(items)
    for (index, place), text in texts.items():
        if text:
            message = cast("dict[str, Any]", shown[index])
            content = [*message["content"]]
            content[place] = text_part(text)
            shown[index] = cast("Item", message | {"content": content})
    return shown
