"""The API's description has all calls, and names nothing that it does not describe."""

from __future__ import annotations

import json
import re

from starlette.routing import Route

from threadmill_gateway.description import openapi
from threadmill_gateway.pages import _page
from threadmill_gateway.routes import CALLS, routes


def test_every_call_is_described() -> None:
    paths = openapi()["paths"]
    for call in CALLS:
        operation = paths[f"/v1{call.path}"][call.method.lower()]
        assert operation["summary"], call.path
        assert ("requestBody" in operation) == (call.body is not None)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(openapi())
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named == named & set(openapi()["components"]["schemas"])


def test_every_call_is_below_each_prefix() -> None:
    found = {
        (route.path, *sorted(route.methods or ())) for route in routes() if isinstance(route, Route)
    }
    for call in CALLS:
        for prefix in ("/v1", "/openai", "/openai/v1"):
            assert any(
                path == prefix + call.path and call.method in methods for path, *methods in found
            )


def test_the_page_has_each_call_and_no_script() -> None:
    page = _page()
    for call in CALLS:
        assert f"{call.method} /v1{call.path}" in page
    assert "<script" not in page
