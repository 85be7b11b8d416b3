"""The entries of an assistant's `tools`: functions, `@tool`s, specs, schemas, hosted tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors
from threadmill_shared.hosted_tools import as_hosted
from threadmill_shared.tools import Tool, ToolSpec, as_tool, check_tool_count, external_spec


def functions(tools: Sequence[Any]) -> list[Tool]:
    """Those among them that this process could execute."""
    own = (one for one in tools if not isinstance(one, (ToolSpec, dict)) and as_hosted(one) is None)
    return [as_tool(one) for one in own]


def specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    """The specs for a model and a worker, without those that the provider executes.

    A tool that is given more than once is one tool: the assistant's and the run's tools are often
    composed in different places. If one of them has options (`@tool(...)`), they apply.

    Raises:
        BadTool: one cannot be a tool, two different ones have one name, or there are too many.
    """
    found: dict[str, _Offered] = {}
    for one in tools:
        if as_hosted(one) is None:
            offered = _Offered(one)
            name = offered.spec.name
            found[name] = offered.merged(found[name]) if name in found else offered
    check_tool_count(len(found))
    return tuple(offered.spec for offered in found.values())


class _Offered:
    """One entry, as a model is offered it."""

    def __init__(self, entry: Any) -> None:
        self._tool = None if isinstance(entry, ToolSpec | dict) else as_tool(entry)
        if self._tool is not None:
            self.spec = self._tool.spec
        else:
            self.spec = entry if isinstance(entry, ToolSpec) else external_spec(entry)

    def merged(self, other: _Offered) -> _Offered:
        """The one that both are.

        Raises:
            BadTool: they are different tools.
        """
        if self.spec == other.spec:
            return other
        if not self._is_same_function(other):
            raise errors.BadTool(
                f"Two tools are called {self.spec.name!r}. Rename one of them: @tool(name=...)."
            )
        if self._has_options() and other._has_options():
            raise errors.BadTool(
                f"The tool {self.spec.name!r} is given twice, with different options. Give it once."
            )
        return self if self._has_options() else other

    def _is_same_function(self, other: _Offered) -> bool:
        if self._tool is not None and other._tool is not None:
            # Each access to `shop.refund` makes a new method; they are equal.
            return bool(self._tool.function == other._tool.function)
        own, others = ((one.spec.identity, one.spec.digest) for one in (self, other))
        return own == others and not self.spec.is_external

    def _has_options(self) -> bool:
        """Whether it is more than the bare function."""
        if self._tool is not None:
            return self._tool.has_options
        spec = self.spec
        return (spec.timeout, spec.on_interrupt, spec.needs_approval) != (None, "report", False)
