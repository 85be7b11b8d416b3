"""Requests go out, and fail, as they do through the openai package's methods for each API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIError, AsyncOpenAI

from threadmill_workers.models.http_client import ModelHttpClient
from threadmill_workers.models.posting import post

PATHS = ("/responses", "/chat/completions")
CLIENTS: list[dict[str, Any]] = [
    {},
    {"base_url": "https://example.org/v1/?api-version=2026-01-01"},
    {"organization": "org-1", "project": "proj_1", "default_query": {"a": "1", "b": ["2", "3"]}},
    {"default_headers": {"Accept-Encoding": "identity", "X-Own": "1"}, "timeout": 7.5},
]
OWN_HEADER = "x-stainless-raw-response"
"""Tells the package how its own methods read a response."""

Handler = Callable[[httpx2.Request], httpx2.Response]
Send = Callable[[AsyncOpenAI, str, dict[str, Any]], Any]

bodies = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=4), parts),
        max_leaves=8,
    ),
    max_size=5,
)


async def create(client: AsyncOpenAI, path: str, body: dict[str, Any]) -> Any:
    """Sends a request through the package's method for its API."""
    made: Any
    if path == "/responses":
        made = client.responses.with_streaming_response.create(stream=True, extra_body=body)
    else:
        method: Any = client.chat.completions.with_streaming_response.create
        made = method(model=body["model"], messages=[], stream=True, extra_body=body)
    return (await made.__aenter__()).http_response


def asked(send: Send, path: str, body: dict[str, Any], handle: Handler, **options: Any) -> Any:
    """The response that a request gets, read to its end; or its error."""

    async def ask() -> Any:
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
        client = AsyncOpenAI(api_key="sk-1", max_retries=0, http_client=http, **options)
        try:
            response = await send(client, path, body)
            assert not response.is_closed
            return response, await response.aread()
        except APIError as error:
            return error
        finally:
            await client.close()

    return asyncio.run(ask())


def sent(send: Send, path: str, body: dict[str, Any], **options: Any) -> tuple[Any, ...]:
    """What is sent: method, URL, headers and body."""
    requests: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(200, stream=httpx2.ByteStream(b""))

    asked(send, path, body, handle, **options)
    [request] = requests
    fields = {name: value for name, value in request.headers.items() if name != OWN_HEADER}
    fields.pop("content-length")
    timeouts = request.extensions["timeout"]
    return request.method, str(request.url), fields, json.loads(request.content), timeouts


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("options", CLIENTS)
def test_a_request_is_sent_as_by_the_packages_own_method(path, options):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hé"}]}

    assert sent(post, path, body, **options) == sent(create, path, body, **options)


@given(more=bodies)
def test_any_body_is_sent_as_by_the_packages_own_method(more):
    body = {"messages": [], **more, "model": "m", "stream": True}
    for path in PATHS:
        assert sent(post, path, body) == sent(create, path, body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_a_refusal_is_the_error_that_the_packages_own_method_raises(path, status):
    def refuse(_: httpx2.Request) -> httpx2.Response:
        error = {"message": "no", "code": "c", "param": "p"}
        return httpx2.Response(status, json={"error": error}, headers={"x-request-id": "req_1"})

    ours, theirs = (asked(send, path, {"model": "m"}, refuse) for send in (post, create))

    assert type(ours) is type(theirs)
    assert str(ours) == str(theirs)
    names = ("status_code", "body", "code", "param", "request_id")
    assert [getattr(ours, n) for n in names] == [getattr(theirs, n) for n in names]


@pytest.mark.parametrize("kind", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.ProxyError])
def test_a_failed_connection_is_the_error_that_the_packages_own_method_raises(kind):
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise kind("away", request=request)

    ours, theirs = (asked(send, "/responses", {"model": "m"}, fail) for send in (post, create))

    assert type(ours) is type(theirs)
    assert isinstance(ours.__cause__, kind)


@given(bodies=st.lists(bodies, min_size=1, max_size=4), cookie=st.sampled_from(["", "a=1; Path=/"]))
def test_each_of_several_requests_is_as_httpx_would_make_it(bodies, cookie):
    contents: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        contents.append(request)
        headers = {"set-cookie": cookie} if cookie else {}
        return httpx2.Response(200, stream=httpx2.ByteStream(b""), headers=headers)

    async def ask(http: httpx2.AsyncClient) -> list[tuple[Any, ...]]:
        contents.clear()
        client = AsyncOpenAI(api_key="sk-1", max_retries=0, http_client=http, project="proj_1")
        for body in bodies:
            for path in PATHS:
                await (await post(client, path, body)).aread()
        await client.close()
        return [
            (one.method, one.url, sorted(one.headers.raw), one.content, one.extensions)
            for one in contents
        ]

    options: Any = {"timeout": httpx2.Timeout(None, connect=3, read=7), "headers": {"X-Own": "1"}}
    made = [
        asyncio.run(ask(kind(transport=httpx2.MockTransport(answer), **options)))
        for kind in (ModelHttpClient, httpx2.AsyncClient)
    ]

    assert made[0] == made[1]


def test_a_request_with_another_key_or_url_is_made_anew():
    http = ModelHttpClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    timeout = httpx2.Timeout(1)

    def make(url: str, key: str) -> httpx2.Request:
        return http.build_request(
            "POST", url, headers=[("Authorization", key)], content=b"{}", timeout=timeout
        )

    for url in ("https://a.example/v1", "https://b.example/v1") * 2:
        for key in ("one", "two"):
            made = make(url, key)
            assert (str(made.url), made.headers["Authorization"]) == (url, key)
            assert made.headers["Host"] == made.url.host
    asyncio.run(http.aclose())


def test_what_is_not_a_plain_body_is_made_as_ever():
    http = ModelHttpClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    plain = httpx2.AsyncClient()
    ways: list[dict[str, Any]] = [
        {"json": {"a": 1}},
        {"data": {"a": "1"}},
        {"content": b"1", "params": {"a": "1"}},
        {"content": b"1", "headers": {"A": "1"}},
        {"content": b"1", "headers": [("A", "1")]},
    ]
    for way in ways * 2:
        ours, theirs = (
            one.build_request("POST", "https://a.example", **way) for one in (http, plain)
        )
        assert (str(ours.url), ours.headers, ours.content) == (
            str(theirs.url),
            theirs.headers,
            theirs.content,
        )
    asyncio.run(http.aclose())


def test_the_body_of_a_response_is_left_to_be_read_and_closed_by_its_reader():
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=httpx2.ByteStream(b"data: 1\n\n"))

    response, content = asked(post, "/responses", {"model": "m"}, answer)

    assert content == b"data: 1\n\n"
    assert response.is_closed


def test_a_package_that_sends_idempotency_keys_sends_another_with_each_request(monkeypatch):
    make, keys = AsyncOpenAI.__init__, []

    def make_with_header(client: AsyncOpenAI, **options: Any) -> None:
        make(client, **options)
        client._idempotency_header = "Idempotency-Key"

    monkeypatch.setattr(AsyncOpenAI, "__init__", make_with_header)

    def answer(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["Idempotency-Key"])
        return httpx2.Response(200, stream=httpx2.ByteStream(b"data: 1\n\n"))

    for _ in range(3):
        asked(post, "/responses", {"model": "m"}, answer)
    assert len(set(keys)) == 3
