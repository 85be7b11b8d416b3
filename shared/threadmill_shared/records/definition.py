"""An assistant's definition, and a run's snapshot of it, as plain frozen data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator

from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.stored import Stored
from threadmill_shared.tools import Tool, ToolSpec

ResultForm = Literal["whole", "wrapped"]
"""Whether a run's last message is its result, or an object that has it as `result`."""


class Definition(Stored):
    """An assistant as it is stored and published: everything but its Python functions."""

    id: str
    version: int | None = None
    """1, 2, 3, ...: it grows with each registration; None: it is not registered."""
    name: str
    description: str | None = None
    instructions: str = ""
    """The Jinja template, not yet rendered."""
    model: str
    tools: tuple[ToolSpec, ...] = ()
    hosted: tuple[HostedTool, ...] = ()
    """Tools that the provider executes."""
    metadata: dict[str, str] = Field(default_factory=dict)
    response_format: str | dict[str, Any] | None = None
    queue: str | None = None
    """The name of a separate queue, without the namespace; None: the common one."""
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    """Further fields of a subclass, for the template."""


class RunOptions(Stored):
    """What a caller can set for one run; an unknown option is an error."""

    tool_choice: str | dict[str, Any] | None = None
    """`none`, `auto`, `required`, or one function in the Assistants API's form."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    parallel_tool_calls: bool | None = None
    response_format: str | dict[str, Any] | None = None
    truncation_strategy: dict[str, Any] | None = None
    metadata: dict[str, str] = Field(default_factory=dict)

    @field_validator("response_format")
    @classmethod
    def _is_a_format(cls, value: Any) -> Any:
        if value in (None, "auto", {"type": "text"}, {"type": "json_object"}):
            return value
        schema = value.get("json_schema") if isinstance(value, dict) else None
        is_named = isinstance(schema, dict) and isinstance(schema.get("name"), str)
        if is_named and value == {"type": "json_schema", "json_schema": schema}:
            return value
        raise ValueError(
            "it is 'auto', {'type': 'text'}, {'type': 'json_object'} or {'type': 'json_schema', "
            "'json_schema': {'name': ..., 'schema': ...}}"
        )

    @field_validator("truncation_strategy")
    @classmethod
    def _is_a_strategy(cls, value: Any) -> Any:
        if value in (None, {"type": "auto"}):
            return value
        last = value.get("last_messages")
        is_count = isinstance(last, int) and not isinstance(last, bool) and last >= 1
        if is_count and value == {"type": "last_messages", "last_messages": last}:
            return value
        raise ValueError(
            "it is {'type': 'auto'} or {'type': 'last_messages', 'last_messages': 1 or more}"
        )


class RunSnapshot(Stored):
    """The snapshot that a run uses: later changes of its assistant do not affect it."""

    assistant_id: str
    assistant_name: str
    assistant_version: int | None = None
    """The registered definition's; None: it was not registered."""
    model: str
    instructions: str
    """Rendered."""
    tools: tuple[ToolSpec, ...] = ()
    local_tools: tuple[str, ...] = ()
    """Names of the tools whose functions the enqueuing process has. If no worker has one, its calls
    wait for that process.
    """
    hosted: tuple[HostedTool, ...] = ()
    options: RunOptions = RunOptions()
    result: ResultForm | None = None
    """Set if the run's last message must match the schema in its `response_format`."""
    max_turns: int = 50


class Publishable:
    """Something that workers can publish: an assistant of a module that they have loaded."""

    def definition(self) -> Definition:
        """Everything but its functions."""
        raise NotImplementedError

    def functions(self) -> Sequence[Tool]:
        """Its functions, as tools."""
        raise NotImplementedError
