"""JSON schemas as pydantic means them.

jsonschema gives patterns to Python's `re`. That has another syntax than pydantic's engine, and a
text of a few dozen characters can keep it busy for years, and with it the whole process. pydantic's
takes a time that grows as the text does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic_core import SchemaError, SchemaValidator, core_schema
from referencing import Registry

Json = Mapping[str, Any]


def validator_of(schema: Json) -> Validator:
    """What finds the faults of JSON data that ought to fit this schema."""
    # With a registry of its own it fetches nothing from anywhere.
    made: Validator = _Checking(schema, registry=Registry())
    return made


def _pattern(_: Any, pattern: str, value: Any, __: Json) -> Iterator[ValidationError]:
    if isinstance(value, str) and _matches(pattern, value) is False:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Json, value: Any, _: Json
) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    for pattern, schema in patterns.items():
        for name, inner in value.items():
            if _matches(pattern, name):
                yield from validator.descend(inner, schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, value: Any, schema: Json
) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, inner in value.items():
        # A pattern that cannot be read here may be the one that allows the name.
        if name in known or any(_matches(one, name) is not False for one in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"{name!r} is not a known property")
        else:
            yield from validator.descend(inner, allowed, path=name)


_Checking = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)


def _matches(pattern: str, text: str) -> bool | None:
    """Whether a text has the pattern in it; None: only its author can read the pattern."""
    matcher = _matcher(pattern)
    if matcher is None:
        return None
    return bool(matcher.isinstance_python(text))


@functools.lru_cache
def _matcher(pattern: str) -> SchemaValidator | None:
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None
