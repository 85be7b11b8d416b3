"""An endpoint as an application of ASGI, which is what a route leads to.

Starlette would do the same for a function, but watch it for errors once more, through two further
functions for each message that is sent. `GatewayApp` answers whatever goes wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Any]]


class ServedEndpoint:
    """Has the function answer, and sends what it answers."""

    def __init__(self, function: Endpoint) -> None:
        self._function = function

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        answer = await self._function(Request(scope, receive, send))
        await answer(scope, receive, send)
