"""Chat Completions: what the many compatible servers speak, each a little differently."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from openai import AsyncAPIResponse, AsyncOpenAI

from threadmill_shared.errors import ModelRefused
from threadmill_shared.model import ModelEvent, ModelRequest
from threadmill_workers.models.chat_parser import ChatParser
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.request_parts import sent_texts
from threadmill_workers.models.streaming import stream_events


class ChatModel:
    """A language model behind Chat Completions.

    Args:
        client: the connection; `close` closes it.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask once, and yield events as they arrive; see `threadmill_shared.model.Model`."""
        if request.hosted:
            raise ModelRefused(
                f"The run asks for {request.hosted[0].type}, and a provider behind Chat "
                "Completions has no hosted tools. This worker's THREADMILL_MODEL_API is chat; it "
                "was another API when the run was enqueued."
            )

        async def opening(stack: AsyncExitStack) -> AsyncAPIResponse[Any]:
            # The body goes around the package's walk over every message through all its types.
            create = self._client.chat.completions.with_streaming_response.create
            body = chat_body(request)
            return await stack.enter_async_context(
                create(model=request.model, messages=[], stream=True, extra_body=body)
            )

        private = PrivateTexts(self._client.api_key, sent_texts(request))
        return stream_events(opening, ChatParser([one.name for one in request.tools]), private)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """What is sent for this request."""
        return chat_body(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
