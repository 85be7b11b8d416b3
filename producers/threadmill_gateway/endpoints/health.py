"""Whether the gateway can serve."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from threadmill_gateway.answers.responses import answer
from threadmill_gateway.endpoints.call import Call


async def get_health(request: Request) -> Response:
    """200 if Redis answers."""
    await Call(request).store.server.ping()
    return answer({"status": "ok"})
