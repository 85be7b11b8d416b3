"""What an import does not keep of a file's objects, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.transfer.lines import AssistantLine, MessageLine, ThreadLine
from threadmill_shared import ids
from threadmill_shared.hosted_tools import as_hosted

_SAYS_NOTHING = frozenset({"completed_at", "created_at", "deleted", "incomplete_at"})
"""Fields of which nobody misses anything."""
_SHORT = 20
"""Characters of a value that is named with its field."""


def dropped_of_assistant(line: AssistantLine) -> list[str]:
    """The parts of an assistant that are not kept, each with its value if that is short."""
    if line.threadmill is not None:
        return []
    tools = [
        str(tool.get("type"))
        for tool in line.tools
        if tool.get("type") != "function" and as_hosted(tool) is None
    ]
    unknown = [_with_value(name, value) for name, value in _unknown(line.model_extra)]
    return [*tools, *line.invalid_options(), *unknown]


def dropped_of_thread(line: ThreadLine) -> list[str]:
    """The fields of a thread that are not kept."""
    return [f"thread: {name}" for name, _ in _unknown(line.model_extra)]


def dropped_of_message(line: MessageLine) -> list[str]:
    """The fields and parts of a message that are not kept, each once."""
    kinds = {str(part.get("type")) for part in line.content} - {"text", "refusal"}
    files = {
        "contents of attached files"
        for attachment in line.attachments or ()
        if ids.is_attached_file_id(str(attachment.get("file_id")))
    }
    names = [*sorted(kinds), *files, *(name for name, _ in _unknown(line.model_extra))]
    return [f"message: {name}" for name in names]


def _unknown(fields: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """Fields that no import keeps, unless they say nothing."""
    for name, value in (fields or {}).items():
        if name not in _SAYS_NOTHING and value not in (None, "", [], {}, False):
            yield name, value


def _with_value(name: str, value: Any) -> str:
    is_short = isinstance(value, str | int | float) and len(str(value)) <= _SHORT
    return f"{name} {value}" if is_short else name
