"""Reads what a provider sends beside its text, into values that are valid whatever was sent.

What is not usable counts as not sent: a run must not fail for it.
"""

from __future__ import annotations

from typing import Any

from threadmill_shared.model import ToolCalled, Usage
from threadmill_shared.records import lenient

Json = dict[str, Any]

_NEEDED = {
    "file_citation": ("file_id",),
    "file_path": ("file_id",),
    "container_file_citation": ("container_id", "file_id"),
}
"""The texts without which a citation names nothing."""
_PLACES = ("start_index", "end_index", "index")
_NAME_LENGTH = 200
"""Characters of a name that a model has made up; those of tools have at most 64."""


def parse_usage(data: object, prompt: str, completion: str) -> Usage:
    """Read tokens from an object that has them under these names."""
    counts = lenient.json_object(data)
    read = lenient.whole_number(counts.get(prompt)) or 0
    written = lenient.whole_number(counts.get(completion)) or 0
    return Usage(read, written, lenient.whole_number(counts.get("total_tokens")) or read + written)


def parse_tool_call(name: object, arguments: object, id: object) -> ToolCalled:
    """Read a call of a tool; if it is not usable, its output tells the model so."""
    provider_id = id if isinstance(id, str) else ""
    return ToolCalled(lenient.text(name)[:_NAME_LENGTH], lenient.text(arguments), provider_id)


def parse_citation(data: Json) -> Json | None:
    """Read a citation: what is cited, without a place that is invalid; None if it names nothing."""
    kind = data.get("type")
    if not isinstance(kind, str):
        return None
    if isinstance(nested := data.get(kind), dict):  # Chat Completions has the fields in there
        data = {"type": kind} | nested
    if not all(isinstance(data.get(n), str) and data[n] for n in _NEEDED.get(kind, ())):
        return None
    cited: Json = lenient.storable(data)
    for name in _PLACES:
        if lenient.whole_number(cited.get(name)) is None:
            cited.pop(name, None)
    if not isinstance(cited.get("filename"), str):
        cited.pop("filename", None)
    return cited
