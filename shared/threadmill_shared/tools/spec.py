"""What is known of a tool wherever its function is not."""

from __future__ import annotations

import hashlib
import json
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
    """Module and qualified name, `shop.orders:refund`; empty where there is no function."""
    digest: str
    """Hash of the schema; a worker executes only what matches it."""
    timeout: float | None = None
    """Seconds for one call; None: the worker's default."""
    on_interrupt: OnInterrupt = "report"
    """What happens to a call that was begun when its worker died."""
    needs_approval: bool = False

    @property
    def is_external(self) -> bool:
        """Whether there is no function: whoever follows the run gives its calls their outputs."""
        return not self.identity


def schema_digest(name: str, parameters: dict[str, Any]) -> str:
    """16 hex digits that change with a tool's name or with its arguments' schema."""
    canonical = json.dumps([name, parameters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
