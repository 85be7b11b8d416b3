"""Without a key, only programs on this machine may use the gateway.

A web page that a user of this machine opens is no such program, though its requests come from here:
a page can send to any address, and a name of its own can lead to 127.0.0.1. So the `Host` must be a
name of this machine, and there must be no foreign `Origin`. (A JSON body must say that it is JSON,
with or without a key: browsers let pages do that only if the server has agreed before.) A proxy on
this machine passes on what comes from others.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from threadmill_gateway.answers import refusals

_NAMES = ("127.0.0.1", "localhost", "[::1]", "::1")
_SET_KEY = "Set THREADMILL_API_KEY to open the gateway to others."


def check_local(headers: Mapping[str, str]) -> None:
    """Let only requests of this machine's own programs pass.

    Raises:
        ApiError: the request may come from elsewhere, or from a page in a browser.
    """
    if not _is_loopback(headers.get("host", "")):
        raise refusals.forbidden(
            f"Without a key, the gateway answers requests to localhost and 127.0.0.1. {_SET_KEY}",
            "host_not_allowed",
        )
    origin = headers.get("origin")
    if origin is not None and not _is_own(origin, headers.get("host", "")):
        raise refusals.forbidden(
            f"Without a key, the gateway answers no pages of other sites. {_SET_KEY}",
            "origin_not_allowed",
        )
    if any(name == "forwarded" or name.startswith("x-forwarded-") for name in headers):
        raise refusals.forbidden(
            f"Without a key, the gateway answers no requests that a proxy forwards. {_SET_KEY}",
            "forwarded_not_allowed",
        )


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if _has_port(host) else host
    return name.lower() in _NAMES


def _has_port(host: str) -> bool:
    before, colon, port = host.rpartition(":")
    return bool(colon) and port.isdigit() and (":" not in before or before.endswith("]"))


def _is_own(origin: str, host: str) -> bool:
    """Whether a page comes from this very gateway, as its documentation does."""
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
