"""What workers publish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadmill_shared.records.definition import Definition
    from threadmill_shared.tools import Tool


class Publishable:
    """Something that workers can publish: an assistant of a module that they have loaded."""

    def definition(self) -> Definition:
        """Everything but its functions."""
        raise NotImplementedError

    def functions(self) -> Sequence[Tool]:
        """Its functions, as tools."""
        raise NotImplementedError
