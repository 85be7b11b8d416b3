"""The check of a gateway's answers finds what its description does not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.described_answers import violations

HEADERS = {"content-type": "application/json", "x-request-id": "req_" + "0" * 32}
THREAD = {
    "id": "thread_1",
    "object": "thread",
    "created_at": 1,
    "metadata": {},
    "tool_resources": {},
}
PAGE = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
ERROR = {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}


def found(path: str, status: int, body: Any, **headers: str) -> list[str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return violations("GET", f"/v1{path}", status, HEADERS | headers, content)


def test_what_is_described_passes() -> None:
    assert found("/threads/thread_1", 200, THREAD) == []
    assert found("/assistants", 200, PAGE) == []
    assert found("/threads/thread_1", 404, {"error": ERROR}) == []


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/threads/thread_1", 200, THREAD | {"metadata": None}),
        ("/threads/thread_1", 200, THREAD | {"created_at": "1"}),
        ("/threads/thread_1", 200, THREAD | {"colour": "red"}),
        ("/threads/thread_1", 200, {"id": "thread_1", "object": "thread"}),
        ("/threads/thread_1/x", 200, THREAD),
        ("/assistants", 200, {"object": "list", "data": []}),
        ("/assistants", 200, PAGE | {"data": [THREAD]}),
        ("/threads/thread_1", 400, {"error": {"message": "No."}}),
        ("/threads/thread_1", 400, {"error": ERROR | {"message": "Both ' and \"."}}),
        ("/threads/thread_1", 500, {"error": ERROR}),
    ],
)
def test_what_is_not_described_is_found(path: str, status: int, body: Any) -> None:
    assert found(path, status, body)


def test_an_answer_has_an_id_and_its_content_type() -> None:
    assert found("/threads/thread_1", 200, THREAD, **{"x-request-id": "1"})
    assert found("/threads/thread_1", 200, THREAD, **{"content-type": "text/plain"})
    assert found("/threads/thread_1", 404, b"Not Found", **{"content-type": "text/plain"})
