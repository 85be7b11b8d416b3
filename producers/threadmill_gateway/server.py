"""Serving the gateway over HTTP, until a signal ends it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from threadmill_gateway.app import GatewayApp

END_SECONDS = 5
"""How long open requests and streams may take to end."""


class GatewayServer(uvicorn.Server):
    """uvicorn's server; when it is told to end, open streams end first, so that clients resume."""

    def __init__(
        self, app: GatewayApp, host: str, port: int, on_ready: Callable[[str], None]
    ) -> None:
        """Not listening yet; `on_ready` is called with the URL once it does."""
        self._gateway = app.gateway
        self._on_ready = on_ready
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                # Its lines would quote queries, and ids of users in them.
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                lifespan="on",
                ws="none",
                # The gateway asks nobody who is behind a proxy.
                proxy_headers=False,
                timeout_graceful_shutdown=END_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.url())

    def url(self) -> str:
        """Where it listens, with the port that the system may have chosen."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal's handler
        """A signal: no new connections, and open streams end; a second one waits for nothing.

        uvicorn's own would raise the signal again at the end, and the exit code would be its.
        """
        self._gateway.end_streams()
        self.force_exit = self.should_exit
        self.should_exit = True


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's if it is installed, as it is nearly everywhere."""
    try:
        import uvloop  # noqa: PLC0415  not on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def serve(app: GatewayApp, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        app: what is served.
        host: the address to listen on.
        port: 0: the system chooses one.
        on_ready: called with the URL once it listens.
    """
    server = GatewayServer(app, host, port, on_ready)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(server.serve())
    if not server.started:
        raise SystemExit(1)
