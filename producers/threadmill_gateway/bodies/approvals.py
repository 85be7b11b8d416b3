"""Bodies of decisions about calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from threadmill_gateway.bodies.body import Body

CallId = Annotated[str, Field(min_length=1, max_length=256)]


class ApprovalBody(Body):
    """A call that may be executed."""

    tool_call_id: CallId


class RejectionBody(Body):
    """A call that must not be executed."""

    tool_call_id: CallId
    reason: Annotated[str, Field(max_length=256_000)] | None = None
    """As the model reads it."""
