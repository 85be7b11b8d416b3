"""Requests that create something: how one is told from a repeat of it, and what is noted of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic_core import from_json

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.extensions import RequestExtension
from threadmill_gateway.endpoints.call import Call
from threadmill_shared.ids import BUCKETS
from threadmill_shared.records.client_request import ClientRequest, Created

RETRY_COUNT = "x-stainless-retry-count"
"""In which SDKs say how often they have sent the request before."""
LONGEST_KEY = 512

_SAME_IN_A_REPEAT = (
    *("user-agent", "x-stainless-lang", "x-stainless-package-version", "x-stainless-os"),
    *("x-stainless-arch", "x-stainless-runtime", "x-stainless-runtime-version"),
    *("x-stainless-async", "openai-organization", "openai-project"),
)
"""Headers that tell clients apart."""
_OF_CONTENT = ("threadmill-when-busy",)
"""Headers that say what is to be done."""


def tries_of(call: Call) -> int:
    """How often the request was sent before, as far as its client says so."""
    given = call.request.headers.get(RETRY_COUNT, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 4 else 0


async def client_request(call: Call, key: str | None) -> ClientRequest:
    """The request that creates an object, by its JSON body.

    Args:
        call: the request.
        key: the one in its body; a header comes first.

    Raises:
        ApiError: the key is too long.
    """
    content = await call.content()
    key = _key(call, key)
    return request_of(call, key, _canonical(content) if key is not None else content)


def request_of(call: Call, key: str | None, content: bytes) -> ClientRequest:
    """The same for any content.

    Raises:
        ApiError: the key is too long.
    """
    key, request = _key(call, key), call.request
    path = request.scope["path"]
    who = request.headers.get("authorization") or request.headers.get("api-key") or ""
    # A query and these headers are a part of what is asked for.
    asked = [request.url.query, *(request.headers.get(name, "") for name in _OF_CONTENT)]
    wanted = _digest(*asked, content)
    if key is not None:
        digest = _digest("key", who, request.method, path, key.encode())
        return ClientRequest(digest, wanted, came_at=call.exchange.came_at)
    headers = (request.headers.get(name, "") for name in _SAME_IN_A_REPEAT)
    return ClientRequest(
        _digest("", who, request.method, path, _address(call), *headers, wanted.encode()),
        tries=tries_of(call),
        is_shared="thread_id" not in request.path_params,
        came_at=call.exchange.came_at,
    )


def key_in(extension: RequestExtension | None) -> str | None:
    """The key that a body gives its request."""
    return None if extension is None else extension.idempotency_key


def bucket_of_request(request: ClientRequest) -> str:
    """The bucket of what the request creates: a repeat must find it there."""
    return f"{int(request.digest[:2], 16) % BUCKETS:02x}"


def note_created(call: Call, request: ClientRequest, place: str, created: Created) -> None:
    """Note what a request has created, or an earlier try of it.

    Args:
        call: the request.
        request: the same.
        place: the id of the thread, the file or the assistant beside which its mark is.
        created: the object.
    """
    if request.is_keyed:
        return
    connections = call.connections
    mark = connections.store.client_requests.mark(place, request)
    if request.is_shared:
        for name in {created.id, place}:
            call.gateway.fresh.add(name, mark, created.id)
    call.exchange.on_delivery(lambda: connections.note_delivery(mark, created.id, created.made))


def _key(call: Call, given: str | None) -> str | None:
    header = call.request.headers.get("idempotency-key")
    if header is None:
        return given
    if not 0 < len(header) <= LONGEST_KEY:
        raise refusals.invalid_header("Idempotency-Key", [f"1 to {LONGEST_KEY} characters"])
    return header


def _address(call: Call) -> str:
    """The client's, as the first proxy that forwards says it; else the one that is connected."""
    forwarded = call.request.headers.get("x-forwarded-for", "").partition(",")[0].strip()
    client = call.request.client
    return forwarded or (client.host if client else "")


def _canonical(content: bytes) -> bytes:
    """The same for two bodies that say the same; it was parsed before, and is valid."""
    parsed: Any = from_json(content) if content.strip() else {}
    return json.dumps(parsed, sort_keys=True).encode()


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogateescape") if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()[:32]
