"""A message's attachments, between the caller and the store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from threadmill_shared.errors import BadTool
from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.records.files import FileContent

_CLASSES = {"code_interpreter": "CodeInterpreter", "file_search": "FileSearch"}


@dataclass(frozen=True)
class Attached:
    """Files with their contents, and how a message names them."""

    files: tuple[FileContent, ...] = ()
    attachments: tuple[dict[str, Any], ...] = ()
    """In the Assistants API's shape, with `filename` and `bytes`."""
    images: tuple[dict[str, Any], ...] = ()
    """Parts of the message's content."""

    def __bool__(self) -> bool:
        return bool(self.files or self.images)

    def named(self) -> list[Any]:
        """What distinguishes it from others; an id follows from name and content."""
        return [*self.attachments, *self.images]

    def check(self, tools: Iterable[HostedTool]) -> None:
        """Reject files that none of these tools would read.

        Raises:
            BadTool: there are some.
        """
        known = {tool.type for tool in tools}
        for attachment in self.attachments:
            for tool in attachment["tools"]:
                if tool["type"] not in known:
                    name = _CLASSES[tool["type"]]
                    raise BadTool(
                        f"{tool['type']}_files need the tool {name}, which the run does not have. "
                        f"Add it: tools=[{name}]."
                    )


NOTHING = Attached()
