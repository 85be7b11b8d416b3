"""What an author may say about a tool beside the function itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from threadmill_shared.errors import BadTool
from threadmill_shared.tools.spec import OnInterrupt


@dataclass(frozen=True, slots=True)
class ToolOptions:
    """The options of `@tool`; without the decorator, all by default."""

    name: str | None = None
    description: str | None = None
    timeout: float | None = None
    on_interrupt: OnInterrupt = "report"
    needs_approval: bool = False
    home: str | None = None
    """The module that called `tool(...)`."""

    def check(self, tool_name: str) -> None:
        """Raise BadTool if an option is invalid."""
        timeout = self.timeout
        if timeout is not None and not (timeout > 0 and math.isfinite(timeout)):
            message = (
                f"Tool {tool_name!r}: timeout={timeout!r} must be seconds above 0; leave it out "
                "for the worker's default."
            )
            raise BadTool(message)
        allowed = get_args(OnInterrupt)
        if self.on_interrupt not in allowed:
            message = (
                f"Tool {tool_name!r}: on_interrupt={self.on_interrupt!r} must be one of "
                f"{', '.join(map(repr, allowed))}."
            )
            raise BadTool(message)
