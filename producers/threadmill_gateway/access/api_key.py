"""The key that clients send."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from threadmill_gateway.answers import refusals


def check_key(headers: Mapping[str, str], key: str) -> None:
    """Let only requests pass that have the key, in the header of OpenAI's SDKs or of Azure's.

    Raises:
        ApiError: there is no key, or another one.
    """
    given = _given(headers)
    if given is None:
        raise refusals.no_key()
    # In constant time: how long it takes must not tell how much of a key is right.
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise refusals.wrong_key()


def _given(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("api-key")
