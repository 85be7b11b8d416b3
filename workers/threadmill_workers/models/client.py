"""The openai client, set up for hundreds of long streams in one process."""

from __future__ import annotations

import os

import httpx2
from openai import AsyncOpenAI

from threadmill_shared.errors import NotConfigured
from threadmill_workers.models.http_client import ModelHttpClient

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 120.0
"""How long a provider may send nothing before the stream counts as broken."""
KEEPALIVE_SECONDS = 15.0
"""How long an idle connection is kept for the next request."""
MAX_CONNECTIONS = 1000

_PLACEHOLDER_KEY = "no-key-needed"
"""Local servers ask for no key, but the client wants one."""


def make_client(
    api_key: str | None = None,
    base_url: str | None = None,
    *,
    silence_seconds: float = SILENCE_SECONDS,
) -> AsyncOpenAI:
    """Make a client; what is None is taken from `OPENAI_API_KEY` and `OPENAI_BASE_URL`.

    It never retries by itself: the assistant loop does, which knows the run's deadline.

    Raises:
        NotConfigured: there is neither key nor base URL, or the base URL is invalid.
    """
    base_url = base_url or os.environ.get("OPENAI_BASE_URL")
    api_key = api_key or os.environ.get("OPENAI_API_KEY")
    _check(api_key, base_url)
    return AsyncOpenAI(
        api_key=api_key or _PLACEHOLDER_KEY,
        base_url=base_url or None,
        max_retries=0,
        # A compressed stream would be held back until a block is full.
        default_headers={"Accept-Encoding": "identity"},
        http_client=ModelHttpClient(
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS, read=silence_seconds),
            limits=httpx2.Limits(
                max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS
            ),
        ),
    )


def _check(api_key: str | None, base_url: str | None) -> None:
    if not api_key and not base_url:
        raise NotConfigured(
            "No model provider is configured. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server"
            " that needs no key (such as http://localhost:8000/v1)."
        )
    if base_url and not base_url.startswith(("http://", "https://")):
        raise NotConfigured(
            "OPENAI_BASE_URL must begin with http:// or https:// (such as"
            " http://localhost:8000/v1)."
        )
