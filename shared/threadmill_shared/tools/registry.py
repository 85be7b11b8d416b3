"""The tools that this process can execute."""

from __future__ import annotations

from collections.abc import Iterator

from threadmill_shared.tools.function_tool import Tool
from threadmill_shared.tools.identity import process_nonce


class ToolRegistry:
    """Tools by identity and digest; may be used from several threads.

    There is no lock that a fork could leave held: every step is one operation of a dict.
    """

    def __init__(self) -> None:
        # By identity, then by name: one function may stand under several names.
        self._tools: dict[str, dict[str, Tool]] = {}

    def register(self, tool: Tool) -> None:
        """Add a tool; one of the same identity and name makes room (its module was reloaded).

        Raises:
            BadTool: the tool cannot be offered to a model.
        """
        spec = tool.spec
        self._tools.setdefault(_key(spec.identity), {})[spec.name] = tool

    def find(self, identity: str, digest: str) -> Tool | None:
        """The tool that a run means, or None; one of another schema is not the same tool."""
        for tool in list(self._tools.get(_key(identity), {}).values()):
            if tool.spec.identity == identity and tool.spec.digest == digest:
                return tool
        return None

    def __iter__(self) -> Iterator[Tool]:
        named = list(self._tools.values())
        return iter([tool for tools in named for tool in list(tools.values())])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _key(identity: str) -> str:
    """The identity without this process's nonce, so that a forked child finds its tools too."""
    return identity.replace(f"@{process_nonce()}", "@")
