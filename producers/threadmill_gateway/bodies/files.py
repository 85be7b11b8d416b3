"""The form with which a file is uploaded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from threadmill_gateway.bodies.body import Body

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class Expiry(Body):
    """When a file is deleted by itself."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000, strict=False)]


class FileForm(Body):
    """The fields of the form but for the file itself."""

    purpose: Purpose
    expires_after: Expiry | None = None
