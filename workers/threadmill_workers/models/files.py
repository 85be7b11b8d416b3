"""The provider's files: what its tools read is given to it, what code has written is fetched."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import httpx2
from openai import APIError, AsyncOpenAI, NotFoundError
from openai.types import FileObject, VectorStore

from threadmill_shared.errors import ModelError, ModelGarbled, ModelUnavailable, TooLarge
from threadmill_shared.records import lenient
from threadmill_workers.models import errors
from threadmill_workers.models.quotes import PrivateTexts

TIMEOUT_SECONDS = 120.0
"""For one file, all tries together, or until some can be searched."""
RETRIES = 2
FILE_SECONDS = 30 * 86_400
"""How long the provider keeps a file that it was given; the longest that it takes."""
STORE_DAYS = 7
"""How long it keeps a vector store that nobody uses."""
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 2.0
"""Seconds between two looks whether files can be searched."""

logger = logging.getLogger("threadmill.worker")


class OpenAIFiles:
    """Implements `threadmill_shared.model.ProviderFiles`."""

    def __init__(self, client: AsyncOpenAI) -> None:
        # Nothing is streamed to anybody here, so the client may repeat by itself.
        self._client = client.with_options(max_retries=RETRIES)

    async def fetch(self, container_id: str, file_id: str, limit: int) -> bytes:
        """See `ProviderFiles`."""
        content = self._client.containers.files.content.with_streaming_response
        chunks: list[bytes] = []
        size = 0
        async with (
            _failures_translated(),
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
        async with _failures_translated():
            file = await self._client.files.create(
                file=(name, content),
                purpose="assistants" if is_searched else "user_data",
                expires_after={"anchor": "created_at", "seconds": FILE_SECONDS},
            )
            until = lenient.whole_number(file.expires_at) or time.time() + FILE_SECONDS
            return _id_of(file), until

    async def make_store(self, name: str, file_ids: Sequence[str]) -> str:
        """See `ProviderFiles`."""
        async with _failures_translated():
            store = await self._client.vector_stores.create(
                name=name,
                file_ids=list(file_ids),
                expires_after={"anchor": "last_active_at", "days": STORE_DAYS},
            )
            await self._wait_until_indexed(store)
            return _id_of(store)

    async def add_to_store(self, store_id: str, file_ids: Sequence[str]) -> None:
        """See `ProviderFiles`."""
        async with _failures_translated():
            for file_id in file_ids:
                await self._client.vector_stores.files.create(store_id, file_id=file_id)
            await self._wait_until_indexed(await self._client.vector_stores.retrieve(store_id))

    async def has_store(self, store_id: str) -> bool:
        """See `ProviderFiles`."""
        async with _failures_translated():
            try:
                store = await self._client.vector_stores.retrieve(store_id)
            except NotFoundError:
                return False
            return store.status != "expired"

    async def _wait_until_indexed(self, store: VectorStore) -> None:
        pause = FIRST_PAUSE
        while store.file_counts.in_progress:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            store = await self._client.vector_stores.retrieve(store.id)
        if store.file_counts.failed:
            logger.warning("%d files of %s cannot be searched", store.file_counts.failed, store.id)


def _id_of(made: FileObject | VectorStore) -> str:
    # The package does not look whether it is there.
    id: object = made.id
    if not isinstance(id, str) or not id:
        raise TypeError
    return id


@asynccontextmanager
async def _failures_translated() -> AsyncGenerator[None, None]:
    """Raise what fails as our errors."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            yield
    except APIError as error:
        raise errors.from_sdk(error, PrivateTexts()) from None
    except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
        raise ModelUnavailable(
            f"The model provider did not deliver or accept a file ({type(error).__name__})."
        ) from None
    except (ModelError, TooLarge):
        raise
    except Exception as error:  # noqa: BLE001  no list of what a provider can cause is ever whole
        raise ModelGarbled(
            "The model provider's response about a file cannot be read"
            f" ({type(error).__name__}); check that OPENAI_BASE_URL names an API that has files."
        ) from None
