"""What a provider refuses in a request of either API.

A stand-in that took everything would let through what fails in production. It is stricter than
some real servers: an id that two calls share is refused, because some others do so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from threadmill.testing.standin.conversation import Entry, ToolCall, ToolResult

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadRequest(Exception):
    """The request is refused with HTTP 400."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def check_parameters(body: dict[str, Any], known: frozenset[str], required: Iterable[str]) -> None:
    """Refuse a body with parameters that the API does not know, or without those it needs."""
    for name in required:
        if not body.get(name):
            raise BadRequest(
                f"The parameter {name!r} is missing.", param=name, code="missing_required_parameter"
            )
    for name in body.keys() - known:
        raise BadRequest(f"There is no parameter {name!r}.", param=name, code="unknown_parameter")


def check_objects(value: Any, param: str) -> None:
    """Refuse what is not an array of objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise BadRequest(f"{param!r} is not an array of objects.", param=param)


def check_function(function: Any, param: str) -> None:
    """Refuse what is not the description of a function."""
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadRequest(f"{param} has no 'name'.", param=param, code="missing_required_parameter")
    if not _TOOL_NAME.fullmatch(function["name"]):
        raise BadRequest(
            f"{function['name']!r} cannot be a function's name: 1 to 64 letters, digits, _ or -.",
            param=f"{param}.name",
            code="invalid_value",
        )
    schema = function.get("parameters")
    if schema is not None and (not isinstance(schema, dict) or schema.get("type") != "object"):
        raise BadRequest(
            f"The parameters of {function['name']!r} are not a JSON schema of an object.",
            param=f"{param}.parameters",
            code="invalid_function_parameters",
        )


def check_calls(entries: Iterable[Entry], *, param: str, at_once: bool) -> None:
    """Refuse calls without a result, results without a call, and ids that tell no call apart.

    With `at_once`, the results must follow their calls before anything else does.
    """
    open_ids: set[str] = set()
    used: set[str] = set()
    for entry in entries:
        if isinstance(entry, ToolCall):
            _check_call_id(entry.id, used, param)
            used.add(entry.id)
            open_ids.add(entry.id)
        elif isinstance(entry, ToolResult):
            if entry.id not in open_ids:
                raise BadRequest(f"No open tool call has the id {entry.id!r}.", param=param)
            open_ids.remove(entry.id)
        elif at_once:
            _check_closed(open_ids, param)
    _check_closed(open_ids, param)


def _check_call_id(id: str, used: set[str], param: str) -> None:
    if not id:
        raise BadRequest("A tool call has an empty id.", param=param)
    if id in used:
        raise BadRequest(f"Two tool calls have the id {id!r}.", param=param)


def _check_closed(open_ids: set[str], param: str) -> None:
    if open_ids:
        raise BadRequest(
            f"There is no output for the tool calls {', '.join(sorted(open_ids))}.", param=param
        )
