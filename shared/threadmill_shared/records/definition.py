"""An assistant's definition, and a run's snapshot of it, as plain frozen data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar, get_args

from pydantic import Field, JsonValue, ValidationError, field_validator
from pydantic_core import to_json

from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.instructions.plain_text import read_instructions
from threadmill_shared.records import lenient
from threadmill_shared.records.fingerprints import MOST_BYTES, MOST_KEPT, ByIdentity
from threadmill_shared.records.model_options import MODEL_OPTIONS, ReasoningEffort, Verbosity
from threadmill_shared.stored import Stored, later_field
from threadmill_shared.tools import ToolSpec

MAX_EXTRA_BYTES = 64 * 1024
"""Bytes of `extra_body` as JSON."""
_OWN_PARAMETERS = frozenset(
    {
        *("model", "stream", "input", "messages", "instructions", "include"),
        *("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
    }
)
"""What `extra_body` cannot set: the loop relies on it, or an option of ours sets it."""

ResultForm = Literal["whole", "wrapped"]
"""Whether a run's last message is its result, or an object that has it as `result`."""

T = TypeVar("T")


class Definition(Stored):
    """An assistant as it is stored and published: everything but its Python functions."""

    id: str
    version: int | None = None
    """1, 2, 3, ...: it grows with each registration; None: it is not registered."""
    name: str
    """Its id, if it was given none."""
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
    temperature: float | None = later_field()
    top_p: float | None = later_field()
    max_completion_tokens: int | None = later_field()
    max_prompt_tokens: int | None = later_field()
    parallel_tool_calls: bool | None = later_field()
    tool_choice: str | dict[str, Any] | None = later_field()
    truncation_strategy: dict[str, Any] | None = later_field()
    reasoning_effort: str | None = later_field()
    verbosity: str | None = later_field()
    service_tier: str | None = later_field()
    safety_identifier: str | None = later_field()
    extra_body: dict[str, Any] | None = later_field()
    instructions_text: str | None = later_field()
    """Set if the instructions are a text that a template would change: they are sent as they are
    here, and `instructions` is a template of the same text, for releases that know only those."""

    created_at: int | None = Field(default=None, exclude=True)
    """Seconds since the epoch, when it was created, or published for the first time. It is stored
    beside the definition, which the first release could not read with a field more."""

    def dated(self, at: str | float | None) -> Definition:
        """The definition with its time; 0: an earlier release has created it, nobody knows when."""
        return self.model_copy(update={"created_at": int(float(at or 0)) or None})

    def given_name(self) -> str | None:
        """Its name as it was given; None: it has none."""
        return None if self.name == self.id else self.name

    def given_instructions(self) -> str:
        """The instructions as they were given: a template, or a `PlainText`."""
        return read_instructions(self.instructions, self.instructions_text)

    def digest(self) -> str:
        """16 hex digits that change with what is defined; version and time do not count."""
        known = {**self.known(), "version": None}
        canonical = json.dumps(known, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def model_options(self) -> dict[str, Any]:
        """The options of the model that it has set, by name."""
        values = {name: getattr(self, name) for name in MODEL_OPTIONS}
        return {name: value for name, value in values.items() if value is not None}


class RunOptions(Stored):
    """What a caller can set for one run; an unknown option is an error."""

    tool_choice: str | dict[str, Any] | None = None
    """`none`, `auto`, `required`, or one function in the Assistants API's form."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    """The run is incomplete if its turns together would write more."""
    parallel_tool_calls: bool | None = None
    response_format: str | dict[str, Any] | None = None
    truncation_strategy: dict[str, Any] | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    max_prompt_tokens: int | None = later_field()
    """The run is incomplete if its turns together have sent more."""
    reasoning_effort: str | None = later_field()
    verbosity: str | None = later_field()
    service_tier: str | None = later_field()
    safety_identifier: str | None = later_field()
    """Of the user for whom the run is; the provider sees it."""
    extra_body: dict[str, JsonValue] | None = later_field()
    """Further members of the request's body; members of objects are added to those of ours."""

    @field_validator("max_prompt_tokens")
    @classmethod
    def _is_positive(cls, value: int | None) -> int | None:
        return _checked(value, value is None or value >= 1, "it must be at least 1")

    @field_validator("reasoning_effort")
    @classmethod
    def _is_an_effort(cls, value: str | None) -> str | None:
        return _one_of(value, get_args(ReasoningEffort))

    @field_validator("verbosity")
    @classmethod
    def _is_a_verbosity(cls, value: str | None) -> str | None:
        return _one_of(value, get_args(Verbosity))

    @field_validator("service_tier")
    @classmethod
    def _is_a_tier(cls, value: str | None) -> str | None:
        is_name = value is None or re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", value) is not None
        return _checked(value, is_name, "it must be a tier's name, such as 'flex' or 'priority'")

    @field_validator("safety_identifier")
    @classmethod
    def _is_an_identifier(cls, value: str | None) -> str | None:
        fits = value is None or (len(value.strip()) > 0 and len(value) <= 64 and _is_json(value))
        return _checked(value, fits, "it must have 1 to 64 characters; a hash of the user's id has")

    @field_validator("extra_body")
    @classmethod
    def _is_a_body(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        own = sorted(value.keys() & _OWN_PARAMETERS)
        _checked(value, not own, f"it must not set {', '.join(own)}, which threadmill sets itself")
        _checked(value, _is_json(value), "it must be JSON, at most 60 levels deep, without NaN")
        size = len(to_json(value))
        is_small = size <= MAX_EXTRA_BYTES
        return _checked(value, is_small, f"it has {size} bytes; {MAX_EXTRA_BYTES} are allowed")

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


def checked_option(name: str, value: Any) -> Any:
    """An option of an assistant, checked as a run's is.

    Raises:
        ValueError: it is invalid.
    """
    try:
        return getattr(RunOptions.model_validate({name: value}), name)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise ValueError(reason.removeprefix("Value error, ")) from None


def _checked(value: T, is_valid: bool, otherwise: str) -> T:  # noqa: FBT001  reads as a sentence
    if not is_valid:
        raise ValueError(otherwise)
    return value


def _one_of(value: str | None, names: Sequence[str]) -> str | None:
    return _checked(value, value is None or value in names, f"it must be {', '.join(names)}")


def _is_json(value: Any) -> bool:
    """Whether every parser can read the value as JSON."""
    try:
        to_json(value)
    except ValueError:
        return False
    return bool(lenient.storable(value, lenient.MAX_DEPTH - 4) == value)


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


def snapshot_json(snapshot: RunSnapshot) -> str:
    """A snapshot as it is stored: without what is not set, since each run has one.

    Raises:
        ValueError: something in it is not JSON.
    """
    if len(snapshot.instructions) > MOST_BYTES:  # it would be kept in memory
        return _json(snapshot)
    return _kept_json(ByIdentity([snapshot]))


@lru_cache(maxsize=MOST_KEPT)
def _kept_json(kept: ByIdentity[RunSnapshot]) -> str:
    """Most runs of an assistant have the same snapshot: the very same, which nobody changes."""
    [snapshot] = kept.items
    return _json(snapshot)


def _json(snapshot: RunSnapshot) -> str:
    unset: dict[str, Any] = dict.fromkeys(_unset(snapshot), True)
    return snapshot.model_dump_json(exclude=unset | {"options": _unset(snapshot.options)})


def _unset(stored: Stored) -> set[str]:
    """The fields that are empty by default, and are: to every release, their absence means that."""
    fields = type(stored).model_fields.items()
    empty = [name for name, _ in fields if getattr(stored, name) in (None, (), {})]
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
    return {name for name in empty if getattr(stored, name) == defaults[name]}
