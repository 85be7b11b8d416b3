"""The description of the API as programs and as people read it."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from threadmill_gateway.description import openapi

_HEADERS = {
    # Nothing but the page itself: no script, no other site.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{font:14px ui-monospace,monospace}td{padding:.2rem 1rem .2rem 0;vertical-align:top}"
    "h2{margin-top:2rem;border-bottom:1px solid #8884}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8cf}}"
)


async def get_openapi(_request: Request) -> Response:
    """The OpenAPI document."""
    return Response(_document(), media_type="application/json")


async def get_docs(_request: Request) -> Response:
    """All calls, on one page."""
    return HTMLResponse(_page(), headers=_HEADERS)


def pages() -> list[BaseRoute]:
    """The routes of both."""
    return [
        Route("/openapi.json", get_openapi, methods=["GET"]),
        Route("/docs", get_docs, methods=["GET"]),
    ]


@lru_cache
def _document() -> bytes:
    return to_json(openapi())


@lru_cache
def _page() -> str:
    document = openapi()
    calls = "".join(
        _call(method, path, operation, document)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>threadmill</title><style>{_STYLE}</style>"
        f"<h1>threadmill {escape(document['info']['version'])}</h1>"
        f"<p>{escape(document['info']['description'])} For programs: "
        '<a href="openapi.json">openapi.json</a>.</p>'
        f"{calls}</html>"
    )


def _call(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    fields = _fields(operation, document)
    rows = "".join(f"<tr><td><code>{escape(a)}</code><td>{escape(b)}" for a, b in fields)
    table = f"<table>{rows}</table>" if rows else ""
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}.</p>{table}"
    )


def _fields(operation: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str]]:
    found = [(one["name"], one["in"]) for one in operation["parameters"]]
    body = operation.get("requestBody")
    if body is None:
        return found
    [content] = body["content"].values()
    named = content["schema"].get("allOf", [content["schema"]])[0]
    name = named["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]
    required = schema.get("required", ())
    return found + [
        (field, "required" if field in required else "") for field in schema["properties"]
    ]
