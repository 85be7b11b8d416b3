"""Headers of threadmill's own that any request may have."""

from __future__ import annotations

from collections.abc import Mapping

from threadmill_gateway.answers import refusals

APPROVALS = "threadmill-approvals"
_SHOW = "show"


def check_own_headers(headers: Mapping[str, str]) -> None:
    """Refuse other values than they may have: before a request changes something.

    Raises:
        ApiError: a header has one.
    """
    if headers.get(APPROVALS, _SHOW).lower() != _SHOW:
        raise refusals.invalid_header("Threadmill-Approvals", [_SHOW])
