"""The schemas of a model request, in the form that every provider takes.

A tool may have been stored by an older release, which stored its schema as it was given. A result's
schema is stored as its type has it, since the result is validated against that.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json

from threadmill_shared.tools import ToolSpec
from threadmill_shared.tools.provider_schema import UnfitSchema, fit_schema

Json = dict[str, Any]


def sent_parameters(tool: ToolSpec) -> Json:
    """The schema of a tool's arguments as it is sent."""
    return _sent(to_json(tool.parameters))


def sent_format(response_format: str | Json | None) -> Json | None:
    """What the answer must look like, as it is sent in Chat Completions; None if that is open."""
    if not isinstance(response_format, dict):
        return None
    described = response_format.get("json_schema", {})
    if not isinstance(schema := described.get("schema"), dict):
        return response_format
    return {**response_format, "json_schema": {**described, "schema": _sent(to_json(schema))}}


@lru_cache(maxsize=512)
def _sent(schema: bytes) -> Json:
    """The schema as providers take it, or as it is if no other words would do.

    Some server may take that nevertheless. Most requests have the schemas of an earlier one, for
    which they need not be read again.
    """
    read: Json = from_json(schema)
    try:
        return fit_schema(read)
    except UnfitSchema:
        return read
