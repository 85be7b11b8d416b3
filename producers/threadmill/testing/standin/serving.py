"""The server's life on an event loop, and the loop itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

from threadmill.testing.standin.server import Service

_BACKLOG = 2048
"""Connections that may wait to be accepted: a load test opens a thousand at once."""
_GRACE = 0.01
"""Seconds that open streams get when the server stops."""


async def serve(
    service: Service, host: str, port: int, *, stop: asyncio.Event, on_start: Callable[[int], None]
) -> None:
    """Tell `on_start` the port that is listened on, and serve until `stop` is set.

    Raises:
        OSError: the address cannot be listened on.
    """
    runner = web.AppRunner(
        service.application(),
        access_log=None,
        # The only way to learn at once that a client left while nothing is written to it.
        handler_cancellation=True,
        shutdown_timeout=_GRACE,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        on_start(runner.addresses[0][1])
        await stop.wait()
    finally:
        service.is_stopping = True
        await runner.cleanup()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on a loop of its own, uvloop's if that is installed."""
    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(main())


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not installed everywhere
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
