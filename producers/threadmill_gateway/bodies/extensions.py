"""What the gateway takes beyond OpenAI's API, in the member `threadmill` of a body."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from threadmill_gateway.bodies.body import Body

WhenBusy = Literal["reject", "queue", "interrupt"]


class RequestExtension(Body):
    """For whatever is new."""

    idempotency_key: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """A second request with this key and the same content gets what the first one has created."""


class ThreadExtension(RequestExtension):
    """For a new thread."""

    key: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """The client's own name for it: the same key is the same thread."""


class RunExtension(RequestExtension):
    """For a new run."""

    when_busy: WhenBusy | None = None
    """What happens if the thread has an active run; `reject` if it is not given."""
    context: dict[str, Any] | None = None
    """For tools and templates; refused unless THREADMILL_GATEWAY_CONTEXT is set."""


class ThreadAndRunExtension(RunExtension):
    """For a run that is made with its thread."""

    key: Annotated[str, Field(min_length=1, max_length=512)] | None = None
