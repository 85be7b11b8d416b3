"""The API's description: OpenAPI, made of the table of calls, and a page for people."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from threadmill_gateway.objects import shapes
from threadmill_gateway.routes import CALLS, ApiCall

Json = dict[str, Any]
_REF = "#/components/schemas/{model}"


@lru_cache
def openapi() -> Json:
    """The OpenAPI document of all calls, below /v1."""
    bodies = [(body, "validation") for body in _bodies()]
    _, schemas = models_json_schema(bodies, ref_template=_REF)  # type: ignore[arg-type]
    components: Json = dict(schemas.get("$defs", {}))
    for shape in (*{call.answer for call in CALLS if call.answer is not bytes}, shapes.Error):
        found = TypeAdapter(shape).json_schema(ref_template=_REF)
        components |= found.pop("$defs", {})
        components[shape.__name__] = found
    paths: Json = {}
    for call in CALLS:
        paths.setdefault(f"/v1{call.path}", {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "threadmill",
            "version": version("threadmill"),
            "description": "The Assistants API, on your own workers.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}],
    }


def _bodies() -> list[Any]:
    return list({call.body: None for call in CALLS if call.body})


def _operation(call: ApiCall) -> Json:
    words = (call.endpoint.__doc__ or "").strip().split("\n", maxsplit=1)[0]
    operation: Json = {
        "operationId": getattr(call.endpoint, "__name__", ""),
        "summary": words.rstrip("."),
        "parameters": [*_path_parameters(call), *_query_parameters(call)],
        "responses": {
            "200": {"description": "The answer.", "content": _contents(call)},
            "default": {"description": "The request is refused.", "content": _json("Error")},
        },
    }
    if call.body is not None:
        operation["requestBody"] = {"content": _body(call.body.__name__, is_form=call.is_form)}
    return operation


def _path_parameters(call: ApiCall) -> list[Json]:
    names = re.findall(r"{(\w+)}", call.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(call: ApiCall) -> list[Json]:
    if call.query is None:
        return []
    properties = call.query.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": one} for name, one in properties.items()]


def _contents(call: ApiCall) -> Json:
    if call.answer is bytes:
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    content = _json(call.answer.__name__)
    if call.is_list:
        content = {"application/json": {"schema": _page_of(call.answer.__name__)}}
    if call.may_stream:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return content


def _body(name: str, *, is_form: bool) -> Json:
    if not is_form:
        return _json(name)
    file = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    fields = {"$ref": _REF.format(model=name)}
    return {"multipart/form-data": {"schema": {"allOf": [fields, file | {"required": ["file"]}]}}}


def _page_of(name: str) -> Json:
    return {
        "type": "object",
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": _REF.format(model=name)}},
            "first_id": {"type": ["string", "null"]},
            "last_id": {"type": ["string", "null"]},
            "has_more": {"type": "boolean"},
        },
        "required": ["object", "data", "first_id", "last_id", "has_more"],
    }


def _json(name: str) -> Json:
    return {"application/json": {"schema": {"$ref": _REF.format(model=name)}}}
