"""Serving the gateway over HTTP, until a signal ends it."""

from __future__ import annotations

import asyncio
from types import FrameType

import uvicorn

from threadmill_gateway.app import GatewayApp

_STREAMS_SECONDS = 5
"""How long open requests and streams may take to end."""


class GatewayServer(uvicorn.Server):
    """uvicorn's server; when it is told to end, open streams end first, so that clients resume."""

    def __init__(self, app: GatewayApp, host: str, port: int) -> None:
        """Not listening yet."""
        self._gateway = app.gateway
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                # Its lines would quote queries, and ids of users in them.
                access_log=False,
                log_config=None,
                server_header=False,
                date_header=True,
                lifespan="on",
                ws="none",
                # Who is behind a proxy is nobody's business here.
                proxy_headers=False,
                timeout_graceful_shutdown=_STREAMS_SECONDS,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: no new connections, and open streams end."""
        self._gateway.ending.set()
        super().handle_exit(sig, frame)


def serve(app: GatewayApp, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    asyncio.run(GatewayServer(app, host, port).serve())
