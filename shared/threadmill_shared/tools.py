"""Tools: Python functions that a model may call.

A function becomes a tool by `@tool`, or by standing in `Assistant(tools=[...])`. Its name,
docstring and annotations make the JSON schema that the model sees; what the model writes is
validated against the annotations and coerced before the function is called.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

OnInterrupt = Literal["report", "retry", "fail"]


class ToolSpec(BaseModel):
    """What is known of a tool wherever its function is not: all but the function itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The name that the model sees: letters, digits, `_` and `-`, at most 64."""
    description: str = ""
    parameters: dict[str, Any]
    """JSON schema of the arguments (an object)."""
    identity: str
    """Module and qualified name, `shop.orders:refund`."""
    digest: str
    """Hash of the schema; a worker executes only what matches it."""
    timeout: float | None = None
    """Seconds for one call; None: the worker's default."""
    on_interrupt: OnInterrupt = "report"
    """What happens to a call that was begun when its worker died."""
    needs_approval: bool = False
