"""The entries of an assistant's `tools`: functions, `@tool`s, specs, schemas, hosted tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from threadmill_shared import errors
from threadmill_shared.hosted_tools import as_hosted
from threadmill_shared.records.fingerprints import MOST_KEPT, fingerprint, restored
from threadmill_shared.tools import Tool, ToolSpec, as_tool, check_tool_count, external_spec


@dataclass(frozen=True)
class ToolList:
    """What a model and a worker are told of these tools, and what this process could execute."""

    specs: tuple[ToolSpec, ...]
    """Without those that the provider executes."""
    functions: list[Tool]
    function_names: tuple[str, ...]
    """As models see them."""


def functions(tools: Sequence[Any]) -> list[Tool]:
    """Those among them that this process could execute."""
    return read_tools(tools).functions


def specs(tools: Sequence[Any]) -> tuple[ToolSpec, ...]:
    """The specs for a model and a worker, as `read_tools` has them."""
    return read_tools(tools).specs


def read_tools(tools: Sequence[Any]) -> ToolList:
    """Read the entries of a list of tools.

    A tool that is given more than once is one tool: the assistant's and the run's tools are often
    composed in different places. If one of them has options (`@tool(...)`), they apply.

    Raises:
        BadTool: one cannot be a tool, two different ones have one name, or there are too many.
    """
    entries = [_Offered(one) for one in tools if as_hosted(one) is None]
    found: dict[str, _Offered] = {}
    for offered in entries:
        name = offered.spec.name
        found[name] = offered.merged(found[name]) if name in found else offered
    check_tool_count(len(found))
    return ToolList(
        specs=tuple(offered.spec for offered in found.values()),
        functions=[offered.tool for offered in entries if offered.tool is not None],
        function_names=tuple(one.spec.name for one in entries if one.tool is not None),
    )


class _Offered:
    """One entry, as a model is offered it."""

    def __init__(self, entry: Any) -> None:
        self.tool = None if isinstance(entry, ToolSpec | dict) else as_tool(entry)
        if self.tool is not None:
            self.spec = self.tool.spec
        else:
            self.spec = entry if isinstance(entry, ToolSpec) else _external_spec(entry)

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
        if self.tool is not None and other.tool is not None:
            # Each access to `shop.refund` makes a new method; they are equal.
            return bool(self.tool.function == other.tool.function)
        own, others = ((one.spec.identity, one.spec.digest) for one in (self, other))
        return own == others and not self.spec.is_external

    def _has_options(self) -> bool:
        """Whether it is more than the bare function."""
        if self.tool is not None:
            return self.tool.has_options
        spec = self.spec
        return (spec.timeout, spec.on_interrupt, spec.needs_approval) != (None, "report", False)


def _external_spec(tool: dict[str, Any]) -> ToolSpec:
    """The spec of a tool without a function, kept until its dict is another one."""
    key = fingerprint(tool)
    return (key and _kept_external_spec(key)) or external_spec(tool)


@lru_cache(maxsize=MOST_KEPT)
def _kept_external_spec(tool: bytes) -> ToolSpec | None:
    plain = restored(tool)
    return None if plain is None else external_spec(plain)
