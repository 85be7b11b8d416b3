"""JSON schemas of tools and results, in the form that every provider takes.

Providers take less than JSON Schema allows, and refuse the whole request for one keyword that they
do not know. What can be said in other words is changed here, and the rest is refused, before
anything is written. A schema that all of them take stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from threadmill_shared.errors import BadTool
from threadmill_shared.tools.plain_json import NotJson, plain_json
from threadmill_shared.tools.tuple_schema import without_positions

Json = dict[str, Any]

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_ONE_SCHEMA = frozenset(
    {"additionalItems", "additionalProperties", "contains", "else", "if", "items", "not"}
    | {"propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords whose value is a schema."""
_MAY_BE_FALSE = frozenset({"additionalProperties", "unevaluatedItems", "unevaluatedProperties"})
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
"""Keywords whose value may be a list of schemas."""
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose value has a schema under each name."""
_OPTIONAL = frozenset(
    {"default", "example", "examples"}
    | {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"}
)
"""Keywords that may be left out if parsers lack their value: hints, and bounds at infinity."""
_NOT_AT_THE_TOP = ("allOf", "anyOf", "enum", "not", "oneOf")


class UnfitSchema(ValueError):
    """Providers would refuse a schema, and no other words say the same; it has the reason."""


def provider_schema(tool_name: str, schema: Mapping[Any, Any]) -> Json:
    """The schema of a tool's arguments as providers take it.

    Args:
        tool_name: for messages.
        schema: a JSON schema of an object; if it does not say that, it is added.

    Raises:
        BadTool: no other words would make it acceptable; the message says what is wrong.
    """
    try:
        return fit_schema(schema)
    except UnfitSchema as error:
        raise BadTool(f"Tool {tool_name!r}: its schema {error}") from None


def fit_schema(schema: Mapping[Any, Any]) -> Json:
    """A schema as providers take it; one that they take already stays as it is.

    Args:
        schema: a JSON schema of an object; if it does not say that, it is added.

    Raises:
        UnfitSchema: no other words would make it acceptable; the message says what is wrong.
    """
    try:
        return _Schema().whole(schema)
    except RecursionError:
        raise UnfitSchema(
            "is nested too deeply or contains itself. "
            "Use '$defs' and '$ref' for a type that contains itself."
        ) from None


def is_object_schema(schema: Mapping[str, Any]) -> bool:
    """Whether it is a schema of an object as providers take it at the top."""
    return schema.get("type") == "object" and not any(word in schema for word in _NOT_AT_THE_TOP)


class _Schema:
    """One schema on its way to the form that providers take."""

    def __init__(self) -> None:
        self._references: list[str] = []
        self._readers: dict[str, Callable[[Any, str], Any]] = {
            "type": self._type,
            "enum": self._enum,
            "required": self._required,
            "description": self._text,
            "$ref": self._reference,
            **dict.fromkeys(_ONE_SCHEMA, self._schema),
            **dict.fromkeys(_NAMED, self._named),
        }

    def whole(self, schema: Mapping[Any, Any]) -> Json:
        root = self._schema(schema, "")
        for reference in self._references:
            if _resolved(root, reference) is None:
                raise self._refusal("", f"{reference!r} refers to nothing in the schema")
        return self._as_object(self._without_reference(root))

    def _without_reference(self, root: Json) -> Json:
        """The schema at the top with what it refers to, which may refer to something else."""
        seen: list[str] = []
        while (reference := root.pop("$ref", None)) is not None:
            if reference in seen:
                raise self._refusal("", f"{reference!r} refers to itself")
            seen.append(reference)
            root = {**(_resolved(root, reference) or {}), **root}
        return root

    def _as_object(self, root: Json) -> Json:
        """The schema at the top, which must be an object's."""
        if "object" not in _types(root, default="object"):
            raise self._refusal("", "providers take an object only, so 'type' must be 'object'")
        for word in _NOT_AT_THE_TOP:
            if word in root:
                raise self._refusal(
                    "", f"{word!r} at the top; providers take it in properties only"
                )
        if root.get("type") != "object":
            root["type"] = "object"
        root.setdefault("properties", {})
        return root

    def _schema(self, schema: Any, place: str) -> Json:
        """A schema with all that is in it; a boolean becomes the object that means the same."""
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, Mapping):
            raise self._refusal(place, "a schema must be an object")
        read: Json = {}
        for word, value in schema.items():
            self._read(read, word, value, place)
        if schema.get("properties", ...) is None:
            read["properties"] = {}
        return _with_items(without_positions(read))

    def _read(self, read: Json, word: Any, value: Any, place: str) -> None:
        """Add a keyword to `read`, unless it says nothing."""
        inner = f"{place}.{word}" if place else str(word)
        self._check_key(word, place)
        if word == "const":  # which not every provider knows
            read["enum"] = self._enum([value], inner)
        elif word in _OPTIONAL:
            # `null` may be a default, and a bound at infinity that was stored as JSON.
            read.update(_if_json(word, value) if value is not None or word == "default" else {})
        elif value is not None and not (word == "enum" and "enum" in read):
            read[word] = self._value(word, value, inner)

    def _value(self, word: str, value: Any, place: str) -> Any:
        if word in _LISTS and isinstance(value, list | tuple):
            return [self._schema(one, f"{place}.{index}") for index, one in enumerate(value)]
        if word in _MAY_BE_FALSE and isinstance(value, bool):
            return value
        return self._readers.get(word, self._json)(value, place)

    def _named(self, schemas: Any, place: str) -> Json:
        if not isinstance(schemas, Mapping):
            raise self._refusal(place, "it must be an object, with a schema under each name")
        for name in schemas:
            self._check_key(name, place)
        return {name: self._schema(one, f"{place}.{name}") for name, one in schemas.items()}

    def _type(self, value: Any, place: str) -> str | list[str]:
        named = [value] if isinstance(value, str) else list(self._listed(value, place))
        if not named or any(one not in _TYPES for one in named):
            raise self._refusal(place, f"it must be one of {', '.join(_TYPES)}")
        return value if isinstance(value, str) else _distinct(named)

    def _enum(self, value: Any, place: str) -> list[Any]:
        values = self._json(self._listed(value, place), place)
        if not values:
            raise self._refusal(place, "it must have a value")
        return _distinct(values)

    def _required(self, value: Any, place: str) -> list[str]:
        names = self._json(self._listed(value, place), place)
        if not all(isinstance(name, str) for name in names):
            raise self._refusal(place, "it must be a list of names")
        return _distinct(names)

    def _reference(self, value: Any, place: str) -> str:
        if not isinstance(value, str) or not (value == "#" or value.startswith("#/")):
            raise self._refusal(place, "it must begin with '#/': a part of the same schema")
        self._references.append(value)
        return value

    def _text(self, value: Any, place: str) -> str:
        if not isinstance(value, str):
            raise self._refusal(place, "it must be a str")
        text: str = self._json(value, place)
        return text

    def _listed(self, value: Any, place: str) -> Sequence[Any]:
        if isinstance(value, set | frozenset):
            return sorted(value, key=repr)
        if not isinstance(value, list | tuple):
            raise self._refusal(place, "it must be a list")
        return value

    def _json(self, value: Any, place: str) -> Any:
        try:
            return plain_json(value)
        except NotJson as error:
            raise self._refusal(place, str(error)) from None

    def _check_key(self, key: Any, place: str) -> None:
        if not isinstance(key, str):
            raise self._refusal(place, f"a key must be a str, not {type(key).__name__}")
        self._json(key, place)

    def _refusal(self, place: str, reason: str) -> UnfitSchema:
        where = f" at {place.encode(errors='replace').decode()}" if place else ""
        return UnfitSchema(f"is not valid{where}: {reason}.")


def _if_json(word: str, value: Any) -> Json:
    try:
        plain = plain_json(value)
    except NotJson:
        return {}
    is_too_large = isinstance(plain, int) and abs(plain) > sys.float_info.max
    return {} if is_too_large else {word: plain}


def _types(schema: Json, default: str = "") -> Sequence[str]:
    type_ = schema.get("type", default)
    return [type_] if isinstance(type_, str) else type_


def _with_items(schema: Json) -> Json:
    """An array's schema with `items`, which providers require."""
    if "array" in _types(schema):
        schema.setdefault("items", {})
    return schema


def _resolved(root: Json, reference: str) -> Json | None:
    """What a reference refers to; None if that is nothing."""
    found: Any = root
    for part in reference.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _distinct(values: Sequence[Any]) -> list[Any]:
    """The values, each once: providers refuse repeated ones."""
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())
