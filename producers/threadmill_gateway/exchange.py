"""One request and its answer: its id, its slot, what is logged and counted of it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from threadmill_gateway.access.headers import headers_of
from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.answers.failures import api_error
from threadmill_gateway.answers.responses import refusal
from threadmill_gateway.gateway import Gateway

logger = logging.getLogger("threadmill.gateway")

_VERSION = (b"openai-version", b"2020-10-01")
_METHOD_NOT_ALLOWED = 405
UNKNOWN = "(unknown path)"


class Exchange:
    """A request that is being answered."""

    def __init__(self, gateway: Gateway, scope: Scope, send: Send) -> None:
        """It has come in; nothing is answered yet."""
        self.id = f"req_{secrets.token_hex(16)}"
        self.headers = headers_of(scope)
        self.has_begun = False
        """Whether the answer has begun, so that nothing else can be answered any more."""
        self._gateway = gateway
        self._scope = scope
        self._send = send
        self._has_slot = False
        self.came_at = time.monotonic()
        self._came_at = time.perf_counter()
        self._seconds = 0.0
        self._on_delivery: Callable[[], None] | None = None
        self._status = 0

    def take_slot(self) -> None:
        """Take one of the slots for requests.

        Raises:
            ApiError: all are taken.
        """
        self._gateway.requests.take()
        self._has_slot = True

    def give_slot_back(self) -> None:
        """Give it back: the request is answered, or has become a stream, which is counted apart."""
        if self._has_slot:
            self._has_slot = False
            self._gateway.requests.give_back()

    async def send(self, message: Message) -> None:
        """Send a part of the answer; the first one gets headers."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            self._status = message["status"]
            self._seconds = time.perf_counter() - self._came_at
            milliseconds = b"%d" % round(self._seconds * 1000)
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.id.encode()),
                (b"openai-processing-ms", milliseconds),
                _VERSION,
            ]
        await self._send(message)
        if self._on_delivery is not None and message.get("body"):
            on_delivery, self._on_delivery = self._on_delivery, None
            on_delivery()

    def on_delivery(self, note: Callable[[], None]) -> None:
        """Have `note` called once the answer, or a stream's first events, were sent."""
        self._on_delivery = note

    async def refuse(self, error: Exception, receive: Receive) -> None:
        """Answer an error."""
        self._on_delivery = None
        found = self._http_error(error) or api_error(error)
        if found is None:
            # The traceback has no values; the error itself may quote a user.
            logger.error("%s failed: %s", self.id, type(error).__name__, exc_info=error)
            found = refusals.internal_error()
        await refusal(found)(self._scope, receive, self.send)

    def end(self) -> None:
        """Count it and log it: no ids, no queries, no texts."""
        self.give_slot_back()
        route: Any = self._scope.get("route")
        path = UNKNOWN if route is None else route.path
        call = f"{self._scope['method']} {path}" if route is not None else UNKNOWN
        self._gateway.metrics.note_request(call, self._status, self._seconds)
        if logger.isEnabledFor(logging.INFO):
            status = self._status or "(the client has gone)"
            milliseconds = round((time.perf_counter() - self._came_at) * 1000)
            logger.info(
                "%s %s %s %d ms %s", self._scope["method"], path, status, milliseconds, self.id
            )

    def _http_error(self, error: Exception) -> ApiError | None:
        if not isinstance(error, HTTPException):
            return None
        method, path = self._scope["method"], self._scope["path"]
        if error.status_code == _METHOD_NOT_ALLOWED:
            return refusals.no_method(method, path)
        return refusals.no_route(method, path)
