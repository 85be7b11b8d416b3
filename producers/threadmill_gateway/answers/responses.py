"""HTTP responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from threadmill_gateway.answers.api_error import ApiError

JSON = "application/json"
_CONTENT_TYPE = (b"content-type", JSON.encode())


class JsonAnswer(Response):
    """A successful answer; all of its headers are known, and none is looked for."""

    def __init__(self, content: bytes, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.background = 200, content, None
        own = [(b"content-length", b"%d" % len(content)), _CONTENT_TYPE]
        given = [(name.encode("latin-1"), headers[name].encode("latin-1")) for name in headers]
        self.raw_headers = given + own


def answer(body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A successful answer."""
    return JsonAnswer(to_json(body), headers or {})


def refusal(error: ApiError) -> Response:
    """The answer that refuses a request."""
    return Response(to_json(error.body), error.status, error.headers, JSON)


def page(data: list[Any], *, has_more: bool) -> Response:
    """One page of a list; its objects have ids."""
    return answer(
        {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
            "has_more": has_more,
        }
    )


def deleted(id: str, kind: str) -> dict[str, Any]:
    """What is answered after an object of this kind was deleted."""
    return {"id": id, "object": "file" if kind == "file" else f"{kind}.deleted", "deleted": True}
