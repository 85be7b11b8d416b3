"""Calls on vector stores, which the gateway does not have."""

from __future__ import annotations

from typing import NoReturn

from starlette.requests import Request

from threadmill_gateway.answers import refusals


async def refuse_vector_stores(_request: Request) -> NoReturn:
    """Vector stores are the model provider's own."""
    raise refusals.unsupported(
        "This gateway has no vector stores. Create them at the model provider, and name them in "
        "tool_resources.file_search.vector_store_ids; or attach files to messages."
    )
