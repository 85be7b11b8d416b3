"""The ASGI application: what every request goes through before and after its endpoint."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from threadmill_gateway.access.api_key import check_key
from threadmill_gateway.access.local_only import check_local
from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.answers.failures import api_error
from threadmill_gateway.answers.responses import refusal
from threadmill_gateway.gateway import Gateway
from threadmill_gateway.pages import pages
from threadmill_gateway.routes import routes
from threadmill_gateway.settings import GatewaySettings
from threadmill_shared.settings import Settings, load_settings

logger = logging.getLogger("threadmill.gateway")

_BETA = "openai-beta"
_OPEN = ("/healthz", "/docs", "/openapi.json")
"""Paths that need no key: they tell nothing of what is stored."""


def create_app(settings: Settings | None = None) -> GatewayApp:
    """The Assistants API as an ASGI application, to be served or mounted.

    It connects to Redis at its first request, on that request's event loop. If it is mounted, its
    paths begin behind the mount's.

    Args:
        settings: those of the process if they are not given.

    Raises:
        NotConfigured: an environment variable has an invalid value.
    """
    found = settings or load_settings()
    return GatewayApp(Gateway(found, GatewaySettings.of(found)))


class GatewayApp:
    """Checks who sends a request, finds its endpoint, and answers whatever goes wrong."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._router = Router(
            [*routes(), *pages()], redirect_slashes=False, lifespan=gateway.lifespan
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket: the server refuses it
            raise HTTPException(404)
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, send)
        scope["gateway"] = self.gateway
        scope["request_id"] = exchange.id
        try:
            self._check(scope)
            with self.gateway.requests.one():
                await self._router(scope, receive, exchange.send)
        except Exception as error:
            if exchange.has_begun:
                raise
            await exchange.refuse(error, scope, receive)
        finally:
            exchange.log()

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        key = self.gateway.options.key
        if key is None:
            check_local(headers)
        elif scope["path"] not in _OPEN:
            check_key(headers, key)
        beta = headers.get(_BETA, "")
        if "assistants=" in beta and "assistants=v2" not in beta:
            raise refusals.wrong_beta(beta)


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = f"req_{secrets.token_hex(16)}"
        self.has_begun = False
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            headers["openai-version"] = "2020-10-01"
            headers["openai-processing-ms"] = str(self._milliseconds())
        await self._send(message)

    async def refuse(self, error: Exception, scope: Scope, receive: Receive) -> None:
        found = _http_error(error, scope) or api_error(error)
        if found is None:
            logger.error("%s failed: %s", self.id, type(error).__name__, exc_info=error)
            found = refusals.internal_error()
        await refusal(found)(scope, receive, self.send)

    def log(self) -> None:
        """Say what was asked and answered: no ids of users, no queries, no texts."""
        route: Any = self._scope.get("route")
        path = route.path if route is not None else "(unknown path)"
        logger.info(
            "%s %s %s %d ms %s",
            self._scope["method"],
            path,
            self._status or "(no answer)",
            self._milliseconds(),
            self.id,
        )

    def _milliseconds(self) -> int:
        return round((time.perf_counter() - self._began) * 1000)


def _http_error(error: Exception, scope: Scope) -> ApiError | None:
    if not isinstance(error, HTTPException):
        return None
    if error.status_code == 405:
        return refusals.no_method(scope["method"], scope["path"])
    return refusals.no_route(scope["method"], scope["path"])
