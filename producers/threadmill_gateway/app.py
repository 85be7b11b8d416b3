"""The ASGI application: what every request goes through before and after its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from threadmill_gateway.access.api_key import check_key
from threadmill_gateway.access.local_only import check_local
from threadmill_gateway.access.own_headers import check_own_headers
from threadmill_gateway.answers import refusals
from threadmill_gateway.exchange import Exchange
from threadmill_gateway.gateway import Gateway
from threadmill_gateway.pages import pages
from threadmill_gateway.routes import routes
from threadmill_gateway.settings import GatewaySettings
from threadmill_shared.settings import Settings, load_settings

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

    def lifespan(self, app: object) -> AbstractAsyncContextManager[None]:
        """The lifespan of an application that mounts this one.

        At its end it sends what is left and closes the connections: whoever is mounted is not told.
        """
        return self.gateway.lifespan(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket: the server refuses it
            raise HTTPException(404)
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(self.gateway, scope, send)
        scope["gateway"], scope["exchange"] = self.gateway, exchange
        scope["app"] = self  # without one, routes answer what is not found in words of their own
        try:
            self._check(scope, exchange.headers)
            exchange.take_slot()
            await self._router(scope, receive, exchange.send)
        except ClientDisconnect:
            pass  # in the middle of its body: there is nobody to answer
        except Exception as error:
            if exchange.has_begun:
                raise  # the server breaks the connection, which no client takes for an end
            await exchange.refuse(error, receive)
        finally:
            exchange.end()

    def _check(self, scope: Scope, headers: Mapping[str, str]) -> None:
        key = self.gateway.options.key
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # it may be mounted
        if key is None:
            check_local(headers)
        elif path not in _OPEN:
            check_key(headers, key)
        beta = headers.get(_BETA, "")
        if "assistants=" in beta and "assistants=v2" not in beta:
            raise refusals.wrong_beta(beta)
        check_own_headers(headers)
