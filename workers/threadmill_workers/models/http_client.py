"""An HTTP client that makes a request from the one before it.

All requests to a model have one URL and the same headers. httpx parses the URL and merges and
copies the headers for each of them, which takes a third of the time in which a request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
from openai import DefaultAioHttpClient

_MOST_PATTERNS = 16
_OWN = (b"Content-Length", b"Cookie")
"""Headers that each request has of its own."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What requests have in common that differ in their bodies."""

    url: httpx2.URL
    headers: httpx2.Headers
    """Without the length of the body, and without cookies."""


class ModelHttpClient(DefaultAioHttpClient):
    """The openai package's client on aiohttp, whose own headers nobody changes."""

    def __init__(self, **options: Any) -> None:
        """A client with the options of an `httpx2.AsyncClient`."""
        super().__init__(**options)
        self._patterns: dict[Any, _Pattern] = {}

    def build_request(
        self, method: str, url: httpx2.URL | str, *, content: Any = None, **options: Any
    ) -> httpx2.Request:
        """As `httpx2.AsyncClient.build_request`."""
        key = _key(method, url, options) if type(content) is bytes else None
        if (pattern := self._patterns.get(key)) is not None:
            return self._make(method, pattern, content, options["timeout"])
        request = super().build_request(method, url, content=content, **options)
        if key is not None:
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns.clear()
            common = [pair for pair in request.headers.raw if pair[0] not in _OWN]
            self._patterns[key] = _Pattern(request.url, httpx2.Headers(common))
        return request

    def _make(
        self, method: str, pattern: _Pattern, content: bytes, timeout: httpx2.Timeout
    ) -> httpx2.Request:
        request = httpx2.Request(
            method,
            pattern.url,
            headers=pattern.headers,
            cookies=self.cookies,
            stream=httpx2.ByteStream(content),
            extensions={"timeout": timeout.as_dict()},
        )
        request.headers["Content-Length"] = str(len(content))
        request.read()
        return request


def _key(method: str, url: httpx2.URL | str, options: dict[str, Any]) -> Any:
    """All that a request is made of, but for its body; None if it has what only a few have."""
    headers, timeout = options.get("headers"), options.get("timeout")
    rest = options.keys() - {"headers", "timeout"}
    if not isinstance(headers, list) or not isinstance(timeout, httpx2.Timeout):
        return None
    if any(options[name] is not None for name in rest):
        return None
    return method, str(url), tuple(headers)
