"""What is known of a tool wherever its function is not."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from threadmill_shared.errors import BadTool
from threadmill_shared.stored import Stored

OnInterrupt = Literal["report", "retry", "fail"]


class ToolSpec(Stored):
    """What is known of a tool wherever its function is not: all but the function itself."""

    name: str
    """The name that the model sees: letters, digits, `_` and `-`, at most 64."""
    description: str = ""
    parameters: dict[str, Any]
    """JSON schema of the arguments (an object)."""
    identity: str
    """Module and qualified name, `shop.orders:refund`; empty if there is no function."""
    digest: str
    """Hash of the schema; a worker executes only what matches it."""
    timeout: float | None = None
    """Seconds for one call; None: the worker's default."""
    on_interrupt: OnInterrupt = "report"
    """What happens to a call that was begun when its worker died."""
    needs_approval: bool = False

    def api_form(self) -> dict[str, Any]:
        """The tool as the API has it: the form that `external_spec` reads."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}

    @property
    def is_external(self) -> bool:
        """Whether there is no function, so that the outputs of its calls are submitted."""
        return not self.identity


def external_spec(tool: Mapping[str, Any]) -> ToolSpec:
    """The spec of a tool without a function, given in the Assistants API's form.

    Its calls park the run until somebody submits their outputs.

    Raises:
        BadTool: it is not of that form.
    """
    function = tool.get("function")
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
    schema = dict(parameters)
    return ToolSpec(
        name=name,
        description=description,
        parameters=schema,
        identity="",
        digest=schema_digest(name, schema),
    )


def schema_digest(name: str, parameters: dict[str, Any]) -> str:
    """16 hex digits that change with a tool's name or with its arguments' schema."""
    canonical = json.dumps([name, parameters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
