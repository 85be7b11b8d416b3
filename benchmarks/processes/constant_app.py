"""What a gateway is compared with: an application of Starlette that answers constants.

    python -m processes.constant_app

It is served as the gateway is, on a port that it prints. `/constant` answers JSON with `bytes`
bytes of text, `/stream` an event of `bytes` bytes every `pause` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from threadmill_gateway.server import new_event_loop

_BEFORE, _BEHIND = b'event: thread.message.delta\nid: 1\ndata: {"constant":"', b'"}\n\n'


async def answer(request: Request) -> Response:
    """A constant."""
    text = b"x" * int(request.query_params.get("bytes", "100"))
    return Response(b'{"constant":"%s"}' % text, media_type="application/json")


async def stream(request: Request) -> StreamingResponse:
    """A constant again and again, until the client has gone."""
    size = int(request.query_params["bytes"]) - len(_BEFORE) - len(_BEHIND)
    pause = float(request.query_params["pause"])
    event = _BEFORE + b"x" * size + _BEHIND

    async def events() -> AsyncIterator[bytes]:
        while True:
            yield event
            await asyncio.sleep(pause)

    return StreamingResponse(events(), media_type="text/event-stream")


class Server(uvicorn.Server):
    """Says where it listens."""

    async def startup(self, sockets: Any = None) -> None:
        """Listen."""
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", flush=True)


def main() -> None:
    """Serve until SIGTERM."""
    app = Starlette(routes=[Route("/constant", answer), Route("/stream", stream)])
    config = uvicorn.Config(
        app,
        port=0,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(Server(config).serve())


if __name__ == "__main__":
    main()
