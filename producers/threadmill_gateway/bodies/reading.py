"""Reading the body of a request, up to a limit."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.body import Body

T = TypeVar("T", bound=Body)


def read_body(request: Request, kind: type[T], content: bytes) -> T:
    """The request's JSON body, of which this is the content.

    Raises:
        ApiError: it is no JSON, or not valid.
    """
    if content.strip() and not _is_json(request.headers.get("content-type", "")):
        raise refusals.media_type_is_not_json(request.headers.get("content-type", ""))
    return kind.read(content)


async def read_bytes(request: Request, most: int) -> bytes:
    """All of the body.

    Raises:
        ApiError: it has more than `most` bytes.
    """
    refuse_large(request, most)
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise refusals.body_is_too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def refuse_large(request: Request, most: int) -> None:
    """Refuse a body that says itself that it is too large.

    Raises:
        ApiError: it has more than `most` bytes.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise refusals.body_is_too_large(most)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")
