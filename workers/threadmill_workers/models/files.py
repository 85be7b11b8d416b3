"""The provider's files: what its code interpreter has written is fetched from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import httpx2
from openai import APIError, AsyncOpenAI

from threadmill_shared.errors import ModelUnavailable, TooLarge
from threadmill_workers.models import failures

SECONDS = 120.0
"""For one file, all tries together."""
RETRIES = 2


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
            _named_failures(),
            content.retrieve(file_id, container_id=container_id) as response,
        ):
            async for chunk in response.iter_bytes():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"The file has more than {limit} bytes.")
                chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def _named_failures() -> AsyncGenerator[None, None]:
    """Raise what fails as our errors."""
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except APIError as error:
        raise failures.from_sdk(error, ()) from None
    except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
        raise ModelUnavailable(
            f"The model provider did not give or take a file ({type(error).__name__})."
        ) from None
