"""Values that fit a JSON schema, for a stand-in that has to fill in arguments or a result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORD = re.compile(r"[^\s\"']*[^\s\"'.,;:!?]")
_DEPTH = 20
"""How deep a value is filled; a schema may contain itself."""


def made_up(schema: Mapping[str, Any], text: str = "") -> Any:
    """A value of the schema's types; of an object its required properties.

    Numbers and words are the first of the text, where it has any. Patterns and formats are not
    looked at.
    """
    return _value(schema, _Source(schema, text), "something", _DEPTH)


class _Source:
    """Where values come from: the definitions of the schema, and the words of the text."""

    def __init__(self, root: Mapping[str, Any], text: str) -> None:
        number, word = _NUMBER.search(text), _WORD.search(text)
        self.number = number[0] if number else None
        self.word = word[0] if word else None
        self._root = root

    def resolved(self, schema: Any) -> Mapping[str, Any]:
        """The schema that this one points to, or the first of several that is not null."""
        for _ in range(_DEPTH):
            if not isinstance(schema, Mapping):
                return {}
            choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
            if reference := schema.get("$ref"):
                schema = self._definition(str(reference))
            elif choices:
                schema = next((one for one in choices if one != {"type": "null"}), {})
            else:
                return schema
        return {}

    def _definition(self, reference: str) -> Any:
        found: Any = self._root
        for part in filter(None, reference.removeprefix("#").split("/")):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        return found


def _value(schema: Any, source: _Source, name: str, depth: int) -> Any:
    schema = source.resolved(schema)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind in {"object", "array"}:
        return _filled({**schema, "type": kind}, source, name, depth - 1)
    if kind in {"integer", "number"}:
        return _number(schema, source, whole=kind == "integer")
    return {"boolean": True, "null": None}.get(str(kind), source.word or name)


def _filled(schema: Mapping[str, Any], source: _Source, name: str, depth: int) -> Any:
    """An object or an array; an empty one if it is too deep."""
    if schema.get("type") == "array":
        return [_value(schema.get("items"), source, name, depth)] if depth else []
    properties = schema.get("properties", {}) if depth else {}
    wanted = [key for key in schema.get("required", ()) if key in properties]
    return {key: _value(properties[key], source, key, depth) for key in wanted}


def _number(schema: Mapping[str, Any], source: _Source, *, whole: bool) -> int | float:
    if source.number is None:
        least: int | float = schema.get("minimum", 1)
        return least
    return int(float(source.number)) if whole else float(source.number)
