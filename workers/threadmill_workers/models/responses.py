"""The Responses API, stateless: nothing is stored at the provider, reasoning travels encrypted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
from openai import AsyncOpenAI, BadRequestError, UnprocessableEntityError

from threadmill_shared.model import ModelEvent, ModelRequest
from threadmill_workers.models.error_report import read_report
from threadmill_workers.models.files import OpenAIFiles
from threadmill_workers.models.posting import post
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.request_parts import sent_texts
from threadmill_workers.models.responses_parser import ResponsesParser
from threadmill_workers.models.responses_request import responses_body
from threadmill_workers.models.streaming import stream_events

_PATH = "/responses"
_INCLUDE = re.compile(r"(^|\.)include\b")
"""The parameter as a refusal names it: `include`, `include[0]`, `response.include`."""
_ASKED = re.compile(
    r"encrypted content.*not supported|reasoning\.encrypted_content|['\"`]include['\"`]"
)
_OF_AN_ITEM = re.compile(r"\brs_|decrypt|verif")


class ResponsesModel:
    """A language model behind the Responses API.

    Args:
        client: the connection; `close` closes it.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self.host = client.base_url.netloc.decode()
        self.files = OpenAIFiles(client)
        self._without_reasoning: set[str] = set()
        """Models that refused to be asked for encrypted reasoning."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask once, and yield events as they arrive; see `threadmill_shared.model.Model`."""

        async def opening() -> httpx2.Response:
            return await self._open(request)

        private = PrivateTexts(self._client.api_key, sent_texts(request))
        return stream_events(opening, ResponsesParser(), private)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """What is sent for this request."""
        return responses_body(request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _open(self, request: ModelRequest) -> httpx2.Response:
        if request.model not in self._without_reasoning:
            try:
                return await post(self._client, _PATH, responses_body(request))
            except (BadRequestError, UnprocessableEntityError) as error:
                if not _refuses_reasoning(error):
                    raise
        body = responses_body(request, encrypted_reasoning=False)
        response = await post(self._client, _PATH, body)
        # Not before: what is refused again was refused for something else.
        self._without_reasoning.add(request.model)
        return response


def _refuses_reasoning(error: BadRequestError | UnprocessableEntityError) -> bool:
    """Whether the model does not reason: then the provider refuses to be asked for reasoning.

    Not if it refuses reasoning that it was sent: that says nothing about other threads.
    """
    report = read_report(error.body, error.status_code)
    if report.param:
        return _INCLUDE.search(report.param) is not None
    text = report.message.lower()
    is_of_item = _OF_AN_ITEM.search(text) or ("item" in text and "include" not in text)
    return _ASKED.search(text) is not None and not is_of_item
