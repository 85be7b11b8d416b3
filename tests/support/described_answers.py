"""Whether an answer of a gateway matches the gateway's own description: no member more or less.

`api_answers` compares all recorded answers with OpenAI's types and schemas when a gateway has
ended. This check knows which members a gateway sends, and looks at headers as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from threadmill_gateway.objects import shapes
from threadmill_gateway.routes import CALLS, PREFIXES, ApiCall

_PAGE = {"object", "data", "first_id", "last_id", "has_more"}
_JSON, _SSE = "application/json", "text/event-stream; charset=utf-8"


def violations(
    method: str, path: str, status: int, headers: Mapping[str, str], content: bytes
) -> list[str]:
    """What is wrong with an answer."""
    if not re.fullmatch(r"req_[0-9a-f]{32}", headers.get("x-request-id", "")):
        return ["no request id"]
    if method == "HEAD":
        return []
    media_type = headers.get("content-type", "")
    if status != 200:
        return list(_refusal(status, media_type, content))
    call = call_of(method, path)
    if call is None:
        return [f"the API has no call {method} {path}"]
    if media_type == _SSE:
        return [] if call.may_stream else ["a stream where there is none"]
    return [] if call.answer is bytes else list(_answer(call, media_type, content))


@cache
def call_of(method: str, path: str) -> ApiCall | None:
    """The call of the API that has this path."""
    for prefix in sorted(PREFIXES, key=len, reverse=True):
        below = path.removeprefix(prefix)
        for call in CALLS if below != path else ():
            pattern = re.sub(r"{\w+}", "[^/]+", call.path)
            if call.method == method and re.fullmatch(pattern, below):
                return call
    return None


def _answer(call: ApiCall, media_type: str, content: bytes) -> Iterator[str]:
    if media_type != _JSON:
        yield f"content type {media_type}"
    found = json.loads(content)
    if call.is_list and found.keys() != _PAGE:
        yield f"no page: {sorted(found)}"
    for one in found.get("data", ()) if call.is_list else [found]:
        yield from _misfits(call.answer, one)


def _refusal(status: int, media_type: str, content: bytes) -> Iterator[str]:
    if status >= 500:
        yield f"a failure of the gateway: {status} {content[:300]!r}"
    if media_type != _JSON:
        yield f"content type {media_type}: {content[:100]!r}"
        return
    error = json.loads(content).get("error", {})
    yield from _misfits(shapes.ErrorObject, error)
    # SDKs for Python before 3.0 show such a text with backslashes, and programs search it.
    if {"'", '"'} <= set(error.get("message", "")):
        yield f"both quotation marks in: {error['message']}"


def _misfits(shape: Any, found: Any) -> Iterator[str]:
    try:
        _adapter(shape).validate_json(json.dumps(found), strict=True)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            yield f"{shape.__name__}: {one['loc']}: {one['msg']}: {one['input']!r:.80}"
    if more := found.keys() - shape.__annotations__.keys():
        yield f"{shape.__name__} has no {sorted(more)}"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
