"""Arrays whose members have different schemas, in words that every provider takes."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

_POSITIONS = ("prefixItems", "items")
"""The keywords that may list a schema for each position; the second did in older drafts."""


def without_positions(schema: Json) -> Json:
    """The schema with one schema for all members of an array, instead of one for each position.

    Providers refuse `prefixItems`. How many members there are is kept (`minItems`, `maxItems`); a
    sentence in the description tells the model which kind is expected at which position.
    """
    listed = next((name for name in _POSITIONS if isinstance(schema.get(name), list)), None)
    if listed is None:
        return schema
    members: list[Json] = schema[listed]
    others = schema.get("items" if listed == "prefixItems" else "additionalItems")
    kept = {
        name: value
        for name, value in schema.items()
        if name not in ("prefixItems", "items", "additionalItems")
    }
    if others == {"not": {}}:  # as `false` is written
        kept.setdefault("maxItems", len(members))
        others = None
    kept.setdefault("type", "array")
    kept["items"] = _any_of([*members, others] if others else members)
    if "anyOf" in kept["items"]:
        order = f"In this order: {', '.join(_kind(member) for member in members)}."
        kept["description"] = " ".join(filter(None, (kept.get("description"), order)))
    return kept


def _any_of(members: list[Json]) -> Json:
    different = {json.dumps(member, sort_keys=True): member for member in members}
    found = list(different.values())
    return found[0] if len(found) == 1 else {"anyOf": found} if found else {}


def _kind(member: Json) -> str:
    """A schema in a word or two."""
    if title := member.get("title"):
        return str(title)
    if reference := member.get("$ref"):
        return str(reference).rpartition("/")[2]
    if "enum" in member:
        return " or ".join(json.dumps(value) for value in member["enum"])
    if alternatives := member.get("anyOf"):
        return " or ".join(_kind(one) for one in alternatives)
    type_ = member.get("type", "any value")
    return type_ if isinstance(type_, str) else " or ".join(type_)
