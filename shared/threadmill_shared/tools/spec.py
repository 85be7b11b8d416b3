"""What is known of a tool wherever its function is not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from threadmill_shared.errors import BadTool
from threadmill_shared.stored import Stored, later_field
from threadmill_shared.tools.provider_schema import provider_schema

OnInterrupt = Literal["report", "retry", "fail"]

_MAX_TOOLS = 128
"""Providers refuse a request with more."""


class ToolSpec(Stored):
    """What is known of a tool wherever its function is not: all but the function itself."""

    name: str
    """The name that the model sees: letters, digits, `_` and `-`, at most 64."""
    description: str = ""
    parameters: dict[str, Any]
    """JSON schema of the arguments (an object), in the form that every provider takes."""
    identity: str
    """Module and qualified name, `shop.orders:refund`; empty if there is no function."""
    digest: str
    """Hash of the schema as the function's annotations make it; a worker executes only what matches
    it. It does not depend on what is changed for providers, so that releases agree on it."""
    timeout: float | None = None
    """Seconds for one call; None: the worker's default."""
    on_interrupt: OnInterrupt = "report"
    """What happens to a call that was begun when its worker died."""
    needs_approval: bool = False
    strict: bool = later_field(default=False)
    """Whether the provider makes arguments fit the schema exactly."""

    def api_form(self) -> dict[str, Any]:
        """The tool as the API has it: the form that `external_spec` reads."""
        function: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        if self.strict:
            function["strict"] = True
        return {"type": "function", "function": function}

    @property
    def is_external(self) -> bool:
        """Whether there is no function, so that the outputs of its calls are submitted."""
        return not self.identity


def external_spec(tool: Mapping[str, Any]) -> ToolSpec:
    """The spec of a tool without a function, given in the form of one of OpenAI's APIs.

    Its calls park the run until somebody submits their outputs.

    Args:
        tool: `{"type": "function", "function": {"name": ..., ...}}`, or the Responses API's form,
            in which name, description and parameters are beside the type.

    Raises:
        BadTool: it has neither form, or providers would refuse its schema.
    """
    function = tool if "name" in tool else tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        raise BadTool(
            "A tool given as a dict must have the form {'type': 'function', 'function': {'name': "
            "..., "
            "'description': ..., 'parameters': {...}}}."
        )
    name = function.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise BadTool(f"A tool's name must be 1 to 64 letters, digits, _ and -, not {name!r}.")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    description = function.get("description") or ""
    if not isinstance(parameters, Mapping) or not isinstance(description, str):
        raise BadTool(
            f"Tool {name!r}: 'parameters' must be a JSON schema, and 'description' a str."
        )
    strict = function.get("strict")
    if not isinstance(strict, bool | None):
        raise BadTool(f"Tool {name!r}: 'strict' must be true, false or null.")
    schema = provider_schema(name, parameters)
    return ToolSpec(
        name=name,
        description=unicode_description(name, description),
        parameters=schema,
        identity="",
        strict=strict is True,
        digest=_external_digest(name, parameters, schema),
    )


def check_tool_count(count: int) -> None:
    """Refuse more tools than a request can have.

    Raises:
        BadTool: there are too many.
    """
    if count > _MAX_TOOLS:
        raise BadTool(
            f"There are {count} tools, and providers take at most {_MAX_TOOLS}. "
            "Leave some out, or share them out among several assistants."
        )


def unicode_description(name: str, description: str) -> str:
    """The description of the tool of this name, if it can be sent.

    Raises:
        BadTool: it has lone surrogates.
    """
    try:
        description.encode()
    except UnicodeEncodeError:
        raise BadTool(
            f"Tool {name!r}: its description must be valid Unicode, without lone surrogates."
        ) from None
    return description


def _external_digest(name: str, given: Mapping[str, Any], sent: dict[str, Any]) -> str:
    """The digest of the schema as it was given, as it always was, if JSON can express that."""
    try:
        return schema_digest(name, dict(given))
    except (TypeError, ValueError, RecursionError):
        return schema_digest(name, sent)


def schema_digest(name: str, parameters: dict[str, Any]) -> str:
    """16 hex digits that change with a tool's name or with its arguments' schema."""
    canonical = json.dumps([name, parameters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
