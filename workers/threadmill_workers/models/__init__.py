"""Model providers: the Responses API and Chat Completions, over the openai package."""

from __future__ import annotations

from typing import Literal

from threadmill_shared.model import Model
from threadmill_workers.models.chat import ChatModel
from threadmill_workers.models.client import SILENCE_SECONDS, make_client
from threadmill_workers.models.responses import ResponsesModel

__all__ = ["ChatModel", "ResponsesModel", "create_model"]


def create_model(
    api: Literal["responses", "chat"],
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    silence_seconds: float = SILENCE_SECONDS,
) -> Model:
    """Make the model provider that speaks this API.

    Args:
        api: `responses`, or `chat` for the many compatible servers.
        api_key: None: `OPENAI_API_KEY`.
        base_url: None: `OPENAI_BASE_URL`, else OpenAI itself.
        silence_seconds: how long the provider may send nothing.

    Raises:
        NotConfigured: there is neither key nor base URL, or the base URL is invalid.
    """
    client = make_client(api_key, base_url, silence_seconds=silence_seconds)
    return ResponsesModel(client) if api == "responses" else ChatModel(client)
