"""Chat Completions: what the many compatible servers speak, each a little differently."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from openai import (
    AsyncAPIResponse,
    AsyncOpenAI,
    BadRequestError,
    UnprocessableEntityError,
)

from threadmill_shared.errors import ModelRefused
from threadmill_shared.model import ModelEvent, ModelRequest
from threadmill_workers.models.chat_parser import ChatParser
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.error_report import read_report
from threadmill_workers.models.field_rules import NO_RULES, FieldRules, opaque_names
from threadmill_workers.models.option_rules import NO_OPTION_RULES, OptionRules
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.request_parts import sent_texts
from threadmill_workers.models.streaming import stream_events

logger = logging.getLogger("threadmill.worker")


class ChatModel:
    """A language model behind Chat Completions.

    Args:
        client: the connection; `close` closes it.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self._rules: dict[str, FieldRules] = {}
        """What models have said of opaque fields."""
        self._options: dict[str, OptionRules] = {}
        """What they have said of options."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask once, and yield events as they arrive; see `threadmill_shared.model.Model`."""
        if request.hosted:
            raise ModelRefused(
                f"The run asks for {request.hosted[0].type}, and a provider behind Chat "
                "Completions has no hosted tools. This worker's THREADMILL_MODEL_API is chat; it "
                "was another API when the run was enqueued."
            )

        async def opening(stack: AsyncExitStack) -> AsyncAPIResponse[Any]:
            return await self._open(stack, request)

        private = PrivateTexts(self._client.api_key, sent_texts(request))
        return stream_events(opening, ChatParser([one.name for one in request.tools]), private)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """What is sent for this request."""
        options = self._options.get(request.model, NO_OPTION_RULES)
        return options.apply(chat_body(request, self._rules.get(request.model, NO_RULES)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _open(self, stack: AsyncExitStack, request: ModelRequest) -> AsyncAPIResponse[Any]:
        """Send the request; again, if the model has said that it wants other fields or options."""
        while True:
            body = self.body(request)
            try:
                return await self._send(stack, body)
            except (BadRequestError, UnprocessableEntityError) as error:
                report = read_report(error.body, error.status_code)
                said = " ".join((*report.words, report.param, report.message))
                if not self._learn(request.model, body, said):
                    raise

    def _learn(self, model: str, body: dict[str, Any], said: str) -> bool:
        """Learn from a refusal; whether there was something to learn."""
        fields = self._rules.get(model, NO_RULES)
        options = self._options.get(model, NO_OPTION_RULES)
        new_fields = fields.after_refusal(said, opaque_names(body))
        new_options = options.after_refusal(said, body)
        self._rules[model], self._options[model] = new_fields, new_options
        has_learned = (new_fields, new_options) != (fields, options)
        if has_learned:
            _log_rules(model, new_fields, new_options)
        return has_learned

    async def _send(self, stack: AsyncExitStack, body: dict[str, Any]) -> AsyncAPIResponse[Any]:
        # The body goes around the package's walk over every message through all its types.
        create = self._client.chat.completions.with_streaming_response.create
        return await stack.enter_async_context(
            create(model=body["model"], messages=[], stream=True, extra_body=body)
        )


def _log_rules(model: str, rules: FieldRules, options: OptionRules) -> None:
    logger.info(
        "the provider of the model %s refuses these fields of its answers: %s; it requires: %s;"
        " it refuses these options: %s",
        model,
        ", ".join(sorted(rules.refused)) or "nothing",
        ", ".join(sorted(rules.demanded)) or "nothing",
        ", ".join(sorted(options.refused)) or "nothing",
    )
