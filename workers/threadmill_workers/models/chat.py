"""Chat Completions: what the many compatible servers speak, each a little differently."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
from openai import (
    AsyncOpenAI,
    BadRequestError,
    UnprocessableEntityError,
)

from threadmill_shared.errors import ModelRefused
from threadmill_shared.model import ModelEvent, ModelRequest
from threadmill_workers.models.call_pairs import shorten_call_ids
from threadmill_workers.models.chat_parser import ChatParser
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.error_report import read_report
from threadmill_workers.models.field_rules import NO_RULES, FieldRules, opaque_names
from threadmill_workers.models.option_rules import NO_OPTION_RULES, OptionRules
from threadmill_workers.models.posting import post
from threadmill_workers.models.quotes import PrivateTexts
from threadmill_workers.models.request_parts import sent_texts
from threadmill_workers.models.streaming import stream_events

_PATH = "/chat/completions"

logger = logging.getLogger("threadmill.worker")


class ChatModel:
    """A language model behind Chat Completions.

    Args:
        client: the connection; `close` closes it.
    """

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self.host = client.base_url.netloc.decode()
        self._fields: dict[str, FieldRules] = {}
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

        async def opening() -> httpx2.Response:
            return await self._open(request)

        private = PrivateTexts(self._client.api_key, sent_texts(request))
        return stream_events(opening, ChatParser([one.name for one in request.tools]), private)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """What is sent for this request."""
        return self._body(request, self._fields.get(request.model, NO_RULES))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _open(self, request: ModelRequest) -> httpx2.Response:
        """Send the request; again, if the model has said that it wants other fields or options."""
        known = fields = self._fields.get(request.model, NO_RULES)
        tried = {known}
        while True:
            body = self._body(request, fields)
            try:
                response = await post(self._client, _PATH, body)
            except (BadRequestError, UnprocessableEntityError) as error:
                said = _words(error)
                fields = fields.after_refusal(said, opaque_names(body))
                has_learned = self._learn_options(request.model, body, said)
                if fields in tried and not has_learned:
                    raise
                tried.add(fields)
            else:
                if fields != known:  # Only now: what one thread has is no rule.
                    self._fields[request.model] = fields
                    _log_fields(request.model, fields)
                return response

    def _body(self, request: ModelRequest, fields: FieldRules) -> dict[str, Any]:
        options = self._options.get(request.model, NO_OPTION_RULES)
        body = chat_body(request, fields)
        if fields.has_short_ids:
            shorten_call_ids(body["messages"])
        return options.apply(body)

    def _learn_options(self, model: str, body: dict[str, Any], said: str) -> bool:
        """Learn from a refusal; whether there was something to learn."""
        known = self._options.get(model, NO_OPTION_RULES)
        options = self._options[model] = known.after_refusal(said, body)
        if options != known:
            _log_refused_options(model, options)
        return options != known


def _words(error: BadRequestError | UnprocessableEntityError) -> str:
    report = read_report(error.body, error.status_code)
    return " ".join((*report.words, report.param, report.message))


def _ids_rule(fields: FieldRules) -> list[str]:
    return ["ids of nine letters and digits"] if fields.has_short_ids else []


def _log_fields(model: str, fields: FieldRules) -> None:
    logger.info(
        "the provider of the model %s refuses these fields of its answers: %s; it requires: %s",
        model,
        ", ".join(sorted(fields.refused)) or "nothing",
        ", ".join([*sorted(fields.demanded), *_ids_rule(fields)]) or "nothing",
    )


def _log_refused_options(model: str, options: OptionRules) -> None:
    logger.info(
        "the provider of the model %s refuses these options: %s",
        model,
        ", ".join(sorted(options.refused)) or "nothing",
    )
