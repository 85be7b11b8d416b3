"""Without a key, nothing but a program on this machine is served."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from threadmill_gateway.access.api_key import check_key
from threadmill_gateway.access.local_only import check_local
from threadmill_gateway.answers.api_error import ApiError
from threadmill_gateway.settings import check_address
from threadmill_shared.errors import NotConfigured

OWN = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        {"host": "localhost:8000"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8000"},
        {"host": "[::1]"},
        OWN | {"origin": "http://127.0.0.1:8000"},
    ],
)
def test_a_program_of_this_machine_is_served(headers: dict[str, str]) -> None:
    check_local(Headers(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": ""},
        {"host": "example.org"},
        {"host": "127.0.0.1.example.org:8000"},
        {"host": "localhost.example.org"},
        {"host": "10.0.0.1:8000"},
        {"host": "127.0.0.1:8000:evil"},
        OWN | {"origin": "https://example.org"},
        OWN | {"origin": "null"},
        OWN | {"origin": "http://127.0.0.1:9000"},
        OWN | {"origin": "http://127.0.0.1:8000.example.org"},
        OWN | {"forwarded": "for=1.2.3.4"},
        OWN | {"x-forwarded-for": "1.2.3.4"},
        OWN | {"x-forwarded-host": "example.org"},
        OWN | {"X-Forwarded-Proto": "https"},
    ],
)
def test_a_page_a_proxy_or_another_machine_is_not(headers: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        check_local(Headers(headers))
    assert caught.value.status == 403
    assert "THREADMILL_API_KEY" in caught.value.error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer right"},
        {"Authorization": "bearer right"},
        {"api-key": "right"},
    ],
)
def test_the_key_is_taken_from_the_header_of_either_client(headers: dict[str, str]) -> None:
    check_key(Headers(headers), "right")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "right"},
        {"authorization": "Basic right"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer right2"},
        {"authorization": "Bearer wröng"},
        {"api-key": ""},
        {"api-key": "wrong"},
    ],
)
def test_another_key_or_none_is_refused_and_not_repeated(headers: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        check_key(Headers(headers), "right")
    assert (caught.value.status, caught.value.error["code"]) == (401, "invalid_api_key")
    assert "wrong" not in caught.value.error["message"]
    assert "right" not in caught.value.error["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])
def test_another_address_than_this_machines_needs_a_key(host: str) -> None:
    with pytest.raises(NotConfigured, match="THREADMILL_API_KEY"):
        check_address(host, None)
    check_address(host, "a-key")
