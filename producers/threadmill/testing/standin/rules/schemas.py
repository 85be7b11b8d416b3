"""Rules for the schemas of functions and of the result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.testing.standin.rules.calls import NAME_LENGTH, NAME_PATTERN
from threadmill.testing.standin.rules.rule import (
    OPENAI_REFERENCE,
    Inspection,
    Violation,
    missing,
    rule,
    too_long,
    unlike,
)

STRUCTURED_OUTPUTS = "https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"
_DEPTH = 40
"""How deep a schema is looked at."""
_TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_NOT_STRICT = (
    "allOf",
    "oneOf",
    "not",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "then",
    "else",
    "prefixItems",
    "patternProperties",
    "uniqueItems",
    "default",
)
_WORD = "json"


@rule(
    "functions whose parameters are no schema of an object",
    source="https://github.com/containers/kubernetes-mcp-server/issues/340",
)
def function_schema(request: Inspection) -> Iterator[Violation]:
    """Find parameters of other types, and objects without properties."""
    for place, function in request.functions:
        schema = function.get("parameters")
        if schema is None:
            continue
        kind = schema.get("type") if isinstance(schema, dict) else type(schema).__name__
        if kind != "object":
            yield _invalid(function, place, _no_object(kind))
        elif "properties" not in schema and "$ref" not in schema:
            yield _invalid(function, place, "In context=(), object schema missing properties.")


@rule(
    "arrays without the schema of their items, properties that are no object, unknown types",
    source="https://github.com/sigoden/aichat/pull/1049",
)
def schema_parts(request: Inspection) -> Iterator[Violation]:
    """Find what is wrong anywhere in a function's schema."""
    for place, function in request.functions:
        for told in _faults(function.get("parameters"), ()):
            yield _invalid(function, place, told)


@rule("strict functions with a schema that strict mode does not take", source=STRUCTURED_OUTPUTS)
def strict_function_schema(request: Inspection) -> Iterator[Violation]:
    """Find what strict mode does not take."""
    for place, function in request.functions:
        if function.get("strict") is True:
            for told in _strict_faults(function.get("parameters"), ()):
                yield _invalid(function, place, told)


@rule(
    "a result without a name of letters, digits, _ and -, of at most 64",
    source=OPENAI_REFERENCE,
)
def result_name(request: Inspection) -> Iterator[Violation]:
    """Find a format without a usable name."""
    place, wanted = _result(request)
    if wanted is None:
        return
    name = wanted.get("name")
    if not isinstance(name, str):
        yield missing(f"{place}.name")
    elif len(name) > NAME_LENGTH:
        yield too_long(f"{place}.name", len(name), NAME_LENGTH)
    elif not re.fullmatch(NAME_PATTERN, name):
        yield unlike(f"{place}.name", NAME_PATTERN)


@rule(
    "a result's schema that is none, has a function's faults, or that strict mode does not take",
    source="https://github.com/mavam/pi-web-providers/issues/14; " + STRUCTURED_OUTPUTS,
)
def result_schema(request: Inspection) -> Iterator[Violation]:
    """Find a format without a usable schema."""
    place, wanted = _result(request)
    if wanted is None:
        return
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        yield missing(f"{place}.schema")
        return
    told = list(_faults(schema, ()))
    if wanted.get("strict") is True:
        told += _strict_faults(schema, ())
    if schema.get("type") != "object" and "$ref" not in schema:
        told.insert(0, _no_object(schema.get("type")))
    for fault in told:
        yield Violation(
            f"Invalid schema for response_format '{wanted.get('name')}': {fault}",
            "response_format" if request.is_chat else f"{place}.schema",
            "invalid_json_schema",
        )


@rule(
    "json_object without the word JSON in the conversation",
    source="https://platform.openai.com/docs/guides/structured-outputs#json-mode",
)
def json_word(request: Inspection) -> Iterator[Violation]:
    """Find JSON mode that the model was not told of."""
    wanted = request.body.get("response_format" if request.is_chat else "text")
    if not request.is_chat and isinstance(wanted, Mapping):
        wanted = wanted.get("format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_object":
        return
    said = [request.request.instructions, *(m.text for m in request.request.messages)]
    if not any(_WORD in text.lower() for text in said):
        name = "response_format" if request.is_chat else "text.format"
        yield Violation(
            f"'{request.place}' must contain the word 'json' in some form, to use '{name}' of type "
            "'json_object'.",
            request.place,
        )


def _no_object(kind: object) -> str:
    return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."


def _invalid(function: Mapping[str, Any], place: str, told: str) -> Violation:
    return Violation(
        f"Invalid schema for function '{function.get('name')}': {told}",
        f"{place}.parameters",
        "invalid_function_parameters",
    )


def _result(request: Inspection) -> tuple[str, Mapping[str, Any] | None]:
    """Where the result's format is, and the format if it is a schema."""
    text = request.body.get("response_format" if request.is_chat else "text")
    outer = text if isinstance(text, Mapping) else {}
    wanted = outer if request.is_chat else outer.get("format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return "", None
    if not request.is_chat:
        return "text.format", wanted
    inner = wanted.get("json_schema")
    return "response_format.json_schema", inner if isinstance(inner, Mapping) else {}


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas inside a schema, each with its place."""
    for name in ("properties", "$defs", "definitions"):
        found = schema.get(name)
        for key, value in found.items() if isinstance(found, Mapping) else ():
            yield (name, key), value
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            yield (name,), schema[name]
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        found = schema.get(name)
        for index, value in enumerate(found if isinstance(found, list) else ()):
            yield (name, str(index)), value


def _faults(schema: Any, place: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, Mapping) or len(place) > _DEPTH:
        return
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if any(kind is not None and str(kind) not in _TYPES for kind in kinds):
        yield f"{_context(place)} {kinds[0]!r} is not valid under any of the given schemas."
    if "array" in kinds and not isinstance(schema.get("items"), Mapping | bool):
        yield f"{_context(place)} array schema missing items."
    if "properties" in schema and not isinstance(schema["properties"], Mapping):
        where = _context((*place, "properties"))
        yield f"{where} {schema['properties']!r} is not of type 'object'."
    for inner, value in _inner(schema):
        yield from _faults(value, (*place, *inner))


def _strict_faults(schema: Any, place: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(schema, Mapping) or len(place) > _DEPTH:
        return
    if "$ref" in schema and (others := sorted(schema.keys() - {"$ref", "$defs", "description"})):
        yield f"{_context(place)} $ref cannot have keywords {{{', '.join(map(repr, others))}}}."
    yield from (f"{_context(place)} '{n}' is not permitted." for n in _NOT_STRICT if n in schema)
    kinds = schema.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        yield from _strict_object_faults(schema, place)
    if kinds == "array" and not isinstance(schema.get("items"), Mapping):
        yield f"{_context(place)} array schema missing items."
    for inner, value in _inner(schema):
        yield from _strict_faults(value, (*place, *inner))


def _strict_object_faults(schema: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        told = "'additionalProperties' is required to be supplied and to be false."
        yield f"{_context(place)} {told}"
    required = schema.get("required") or ()
    for name in schema.get("properties") or ():
        if name not in required:
            yield (
                f"{_context(place)} 'required' is required to be supplied and to be an array "
                f"including every key in properties. Missing '{name}'."
            )


def _context(place: tuple[str, ...]) -> str:
    return f"In context={place!r},"
