"""The HTTP service: routes, and the way of a request from its bytes to an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from threadmill_shared.log_text import install_command
from threadmill_shared.settings import DEFAULT_MODEL

try:
    from aiohttp import web
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"The stand-in provider needs aiohttp: {install_command('worker')}."
    ) from missing

from threadmill.testing.standin import chat_input, responses_input
from threadmill.testing.standin.brain import Brain, answer_of
from threadmill.testing.standin.chat_output import ChatOutput
from threadmill.testing.standin.choices import ContradictsToolChoice, check_choice
from threadmill.testing.standin.conversation import Api, Request
from threadmill.testing.standin.exchange import Exchange, error_body
from threadmill.testing.standin.faults import Answer, Interruption, Refusal
from threadmill.testing.standin.hosting import Hosting
from threadmill.testing.standin.hosting_routes import HostingRoutes
from threadmill.testing.standin.output import Output
from threadmill.testing.standin.records import Record, RecordLog
from threadmill.testing.standin.replies import Reply
from threadmill.testing.standin.responses_output import ResponsesOutput
from threadmill.testing.standin.rules.rule_set import TOOL_CHOICE, RuleSet
from threadmill.testing.standin.sse import encode

_BODY_LIMIT = 1024 * 1024 * 1024
"""Bytes; what is too long is to be refused by a rule or a brain, not by HTTP."""

_log = logging.getLogger(__name__)
_LISTED_MODELS = ("stand-in", DEFAULT_MODEL)
"""It answers for any; these are listed, so that nobody is told to choose another one."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two APIs."""

    api: Api
    read: Callable[[dict[str, Any], bytes, Mapping[str, str]], Request]
    output: Callable[[Request, Reply, Hosting], Output]


RESPONSES = Dialect("responses", responses_input.read, ResponsesOutput)
CHAT = Dialect(
    "chat",
    chat_input.read,
    lambda request, reply, _: ChatOutput(request, reply),
)


class Service:
    """Answers requests of both APIs with what its brain decides."""

    def __init__(self, brain: Brain, *, delay: float, rules: RuleSet, records: RecordLog) -> None:
        self.brain = brain
        self.is_stopping = False
        self.hosting = Hosting()
        self.rules = rules
        self._delay = delay
        self._records = records

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        HostingRoutes(self.hosting).add_to(app.router)
        app.router.add_route("*", "/{path:.*}", self._unknown)
        return app

    async def _responses(self, http: web.Request) -> web.StreamResponse:
        return await self._recorded(http, RESPONSES)

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        return await self._recorded(http, CHAT)

    async def _models(self, _: web.Request) -> web.StreamResponse:
        common = {"object": "model", "created": 0, "owned_by": "threadmill"}
        models = [{"id": id} | common for id in _LISTED_MODELS]
        return _json(200, encode({"object": "list", "data": models}))

    async def _unknown(self, http: web.Request) -> web.StreamResponse:
        message = (
            f"The stand-in has no {http.method} {http.path}. It has POST /v1/responses, "
            "POST /v1/chat/completions, GET /v1/models, files, containers and vector stores."
        )
        return _json(404, error_body(Refusal(404, message)))

    async def _recorded(self, http: web.Request, dialect: Dialect) -> web.StreamResponse:
        record = Record(dialect.api)
        self._records.add(record)
        try:
            return await self._answer(http, dialect, record)
        except (asyncio.CancelledError, ConnectionError):
            # aiohttp cancels this when the client's connection is lost, even while nothing is
            # being written; a write may notice it first.
            if not self.is_stopping:
                record.close()
            raise
        finally:
            record.end()

    async def _answer(
        self, http: web.Request, dialect: Dialect, record: Record
    ) -> web.StreamResponse:
        exchange = Exchange(http, record, self._delay)
        request = await self._read(http, dialect, record)
        if isinstance(request, Refusal):
            return await exchange.refuse(request)
        if refusal := self.rules.judge(request, self.hosting):
            _log.info("The rule %r refuses a request: %s", refusal.rule, refusal.message)
            record.refused_by = refusal.rule
            return await exchange.refuse(refusal)
        answer = await self._decide(request, record)
        if isinstance(answer, Refusal):
            return await exchange.refuse(answer)
        reply = answer.reply if isinstance(answer, Interruption) else answer
        reply = reply.limited(request.max_tokens)
        output = dialect.output(request, reply, self.hosting)
        if isinstance(answer, Interruption):
            interrupt = exchange.interrupt if request.stream else exchange.interrupt_whole
            return await interrupt(output, answer)
        return await (exchange.stream if request.stream else exchange.send)(output, reply)

    async def _read(self, http: web.Request, dialect: Dialect, record: Record) -> Request | Refusal:
        raw = await http.read()
        headers = {name.lower(): value for name, value in http.headers.items()}
        try:
            body = json.loads(raw)
        except ValueError as error:
            return Refusal(400, f"The body is not JSON: {error}.")
        if not isinstance(body, dict):
            return Refusal(400, "The body is not a JSON object.")
        request = dialect.read(body, raw, headers)
        record.body, record.headers, record.user_text = body, headers, request.last_user_text
        return request

    async def _decide(self, request: Request, record: Record) -> Answer:
        try:
            answer = await answer_of(self.brain, request)
            if isinstance(answer, Reply) and self.rules.has(TOOL_CHOICE):
                check_choice(request, answer)
        except ContradictsToolChoice as error:
            record.error = error
            _log.warning("%s", error)
            return Refusal(400, str(error), "contradicts_tool_choice", param="tool_choice")
        except Exception as error:  # noqa: BLE001 - the brain is the user's code
            record.error = error
            _log.warning("The stand-in's brain failed.", exc_info=error)
            # 400 and not 500, which clients repeat: the test would end much later, if at all.
            message = f"The stand-in's brain failed: {type(error).__name__}: {error}"
            return Refusal(400, message, "brain_failed")
        return answer


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
