"""The provider's files: what its tools read is given to it, what code has written is fetched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI, NotFoundError
from openai.types import FileObject, VectorStore
from openai.types.vector_stores import VectorStoreFile

from threadmill_shared.errors import ModelError, ModelGarbled, ModelUnavailable, TooLarge
from threadmill_shared.model import FileRefused, FileState, IndexCounts
from threadmill_shared.records import lenient
from threadmill_workers.models import errors
from threadmill_workers.models.file_errors import file_refusal, index_failure
from threadmill_workers.models.quotes import PrivateTexts

TIMEOUT_SECONDS = 120.0
"""For one file or request, all tries together."""
RETRIES = 2
FILE_SECONDS = 30 * 86_400
"""How long the provider keeps a file that it was given; the longest that it takes."""
STORE_DAYS = 7
"""How long it keeps a vector store that nobody uses."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 2.0
"""Seconds between two looks whether files can be searched."""
_PAGE = 100
_MOST_STORES = 1000
"""So many of the account's newest vector stores are looked at."""


class OpenAIFiles:
    """Implements `threadmill_shared.model.ProviderFiles`."""

    def __init__(self, client: AsyncOpenAI) -> None:
        # Nothing is streamed to anybody here, so the client may repeat by itself.
        self._client = client.with_options(max_retries=RETRIES)
        self._private = PrivateTexts(client.api_key)

    async def fetch(self, container_id: str, file_id: str, limit: int) -> bytes:
        """See `ProviderFiles`."""
        content = self._client.containers.files.content.with_streaming_response
        chunks: list[bytes] = []
        size = 0
        async with (
            self._translated(),
            content.retrieve(file_id, container_id=container_id) as response,
        ):
            async for chunk in response.iter_bytes():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"The file has more than {limit} bytes.")
                chunks.append(chunk)
        return b"".join(chunks)

    async def upload(self, name: str, content: bytes, *, is_searched: bool) -> tuple[str, float]:
        """See `ProviderFiles`."""
        async with self._translated(of_files=True):
            file = await self._client.files.create(
                file=(name, content),
                purpose="assistants" if is_searched else "user_data",
                expires_after={"anchor": "created_at", "seconds": FILE_SECONDS},
            )
            self._check_upload(file)
            until = lenient.whole_number(file.expires_at) or time.time() + FILE_SECONDS
            return _id_of(file), until

    def _check_upload(self, file: FileObject) -> None:
        """Raise the refusal of a file that the provider has taken and could not process."""
        if file.status == "error":
            raise FileRefused(
                index_failure("error", lenient.text(file.status_details), self._private)
            )

    async def make_store(self, name: str, file_ids: Sequence[str]) -> str:
        """See `ProviderFiles`."""
        # Repeated after a lost answer, it would make another one: the caller looks for it first.
        once = self._client.with_options(max_retries=0)
        async with self._translated(of_files=True):
            store = await once.vector_stores.create(
                name=name,
                file_ids=list(file_ids),
                expires_after={"anchor": "last_active_at", "days": STORE_DAYS},
            )
            return _id_of(store)

    async def find_store(self, name: str, since: float) -> str | None:
        """See `ProviderFiles`."""
        async with self._translated():
            try:
                return await self._find_store(name, since)
            except APIStatusError as error:
                if file_refusal(error, self._private) is None:
                    raise
                return None  # the server has no list of them

    async def _find_store(self, name: str, since: float) -> str | None:
        seen: set[str] = set()
        async for store in self._client.vector_stores.list(limit=_PAGE, order="desc"):
            id = _id_of(store)
            if id in seen or len(seen) >= _MOST_STORES or lenient.number(store.created_at) < since:
                break
            if store.name == name and store.status != "expired":
                return id
            seen.add(id)
        return None

    async def add_to_store(self, store_id: str, file_id: str) -> None:
        """See `ProviderFiles`."""
        async with self._translated(of_files=True):
            await self._client.vector_stores.files.create(store_id, file_id=file_id)

    async def has_store(self, store_id: str) -> bool:
        """See `ProviderFiles`."""
        async with self._translated():
            try:
                store = await self._client.vector_stores.retrieve(store_id)
            except NotFoundError:
                return False
            return store.status != "expired"

    async def wait_until_indexed(self, store_id: str, seconds: float) -> IndexCounts:
        """See `ProviderFiles`."""
        until, pause = time.monotonic() + seconds, FIRST_PAUSE
        while True:
            async with self._translated():
                counts = _counts(await self._client.vector_stores.retrieve(store_id))
            left = until - time.monotonic()
            if not counts.pending or left <= 0:
                return counts
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    async def file_states(self, store_id: str, file_ids: Sequence[str]) -> dict[str, FileState]:
        """See `ProviderFiles`."""
        async with self._translated():
            states = await self._list_states(store_id)
            for file_id in file_ids:
                if file_id not in states:
                    with suppress(NotFoundError):
                        files = self._client.vector_stores.files
                        file = await files.retrieve(file_id, vector_store_id=store_id)
                        states[file_id] = self._state(file)
        return {id: states[id] for id in file_ids if id in states}

    async def _list_states(self, store_id: str) -> dict[str, FileState]:
        states: dict[str, FileState] = {}
        try:
            async for file in self._client.vector_stores.files.list(store_id, limit=_PAGE):
                id = _id_of(file)
                if id in states:  # a server that does not page begins again
                    break
                states[id] = self._state(file)
        except APIStatusError as error:  # a server may have no list of them
            if file_refusal(error, self._private) is None:
                raise
        return states

    def _state(self, file: VectorStoreFile) -> FileState:
        status: object = file.status
        if status not in ("failed", "cancelled"):
            return FileState("completed" if status == "completed" else "pending")
        error: object = file.last_error
        code, text = (lenient.text(getattr(error, name, None)) for name in ("code", "message"))
        return FileState("failed", index_failure(code or str(status), text, self._private))

    @asynccontextmanager
    async def _translated(self, *, of_files: bool = False) -> AsyncGenerator[None, None]:
        """Raise what fails as our errors.

        Args:
            of_files: whether a refusal is one of the files that are sent.
        """
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                yield
        except APIError as error:
            refusal = None
            if of_files and isinstance(error, APIStatusError):
                refusal = file_refusal(error, self._private)
            raise refusal or errors.from_sdk(error, self._private) from None
        except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            raise ModelUnavailable(
                f"The model provider did not deliver or accept a file ({type(error).__name__})."
            ) from None
        except (ModelError, TooLarge):
            raise
        except Exception as error:  # noqa: BLE001  no list of what a provider can cause is ever whole
            raise ModelGarbled(
                "The model provider's response about a file cannot be read "
                f"({type(error).__name__}); "
                "check that OPENAI_BASE_URL names an API that has files."
            ) from None


def _id_of(made: FileObject | VectorStore | VectorStoreFile) -> str:
    # The package does not look whether it is there.
    id: object = made.id
    if not isinstance(id, str) or not id:
        raise TypeError
    return id


def _counts(store: VectorStore) -> IndexCounts:
    counts: object = store.file_counts
    pending, failed, cancelled = (
        lenient.whole_number(getattr(counts, name, None)) or 0
        for name in ("in_progress", "failed", "cancelled")
    )
    return IndexCounts(pending, failed + cancelled)
