"""Sending a request to a provider, whose response is read by us.

The openai package's methods for each API walk over a request by the types of all its parts, and
wrap its response in objects for other ways to read it. A body that we have made as the API wants
it needs neither, so this is the package's `post`. Errors, keys, base URL, headers and proxies are
the client's, as ever.
"""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from itertools import count
from typing import Any, cast

import httpx2
from openai import AsyncOpenAI, AsyncStream
from pydantic_core import to_json

_STREAM: Any = AsyncStream[object]
"""Asked for by the package's types; it reads nothing."""
_IMPORT = uuid.uuid4().hex
_NUMBERS = count()


async def post(client: AsyncOpenAI, path: str, body: dict[str, Any]) -> httpx2.Response:
    """Send a request, and return its response without having read the body; its reader closes it.

    Args:
        client: the connection.
        path: below the base URL, such as `/responses`.
        body: JSON.

    Raises:
        APIError: the provider cannot be reached, or refuses the request.
    """
    response = await client.post(
        _address(client.base_url, path),
        cast_to=httpx2.Response,
        content=to_json(body),
        options=_options(client),
        stream=True,
        stream_cls=_STREAM,
    )
    return cast("httpx2.Response", response)


@lru_cache(maxsize=16)
def _address(base: httpx2.URL, path: str) -> str:
    """The whole URL, which the package would make anew for each request."""
    return str(base.copy_with(raw_path=base.raw_path + path.lstrip("/").encode()))


def _options(client: AsyncOpenAI) -> Any:
    """What the package takes if nothing is said; it would copy each of these values deeply.

    And take an idempotency key out of the system's random numbers, which lets other threads run
    meanwhile. OpenAI's API knows no such keys, so none is sent.
    """
    return {
        "headers": {},
        "params": {},
        "idempotency_key": f"threadmill-{_IMPORT}-{os.getpid()}-{next(_NUMBERS)}",
        "max_retries": client.max_retries,
        "timeout": client.timeout,
        "security": {"bearer_auth": True},
    }
