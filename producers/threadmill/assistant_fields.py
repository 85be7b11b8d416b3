"""What an assistant is: its fields, and the definition that is stored and published of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from pydantic_core import to_jsonable_python

from threadmill.run import Run
from threadmill.runs.tool_list import functions, specs
from threadmill.thread import Thread
from threadmill_shared import ids
from threadmill_shared.hosted_tools import hosted_tools
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.definition import Definition, Publishable, RunOptions
from threadmill_shared.settings import load_settings
from threadmill_shared.tools import Tool


class AssistantFields(BaseModel, Publishable):
    """The fields of an assistant, and what a subclass may do otherwise."""

    model_config = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True, validate_assignment=True
    )

    name: str = Field(default="Assistant", min_length=1, max_length=256)
    id: str | None = None
    """Set by `create` and `load`. Given to the constructor it names what is registered: fields that
    are not given are read from there at the first use."""
    description: str | None = None
    instructions: str = ""
    """A Jinja template, given as a str or a `Template`; it sees `self_`, this assistant, and
    `context`."""
    model: str | None = Field(default=None, pattern=r"\S")
    """None: `THREADMILL_MODEL`."""
    tools: list[Any] = Field(default_factory=list)
    """Functions, `@tool`s, `CodeInterpreter`, `FileSearch`, or the specs of a loaded assistant."""
    tool_resources: dict[str, Any] = Field(default_factory=dict)
    """As in the Assistants API: `{"code_interpreter": {"file_ids": [...]}, "file_search":
    {"vector_store_ids": [...]}}`, with the provider's ids."""
    metadata: dict[str, str] = Field(default_factory=dict)
    response_format: str | dict[str, Any] | None = None
    queue: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Name of a queue of its own, for workers of its own."""
    default_thread: Thread = Field(default_factory=Thread, exclude=True, repr=False)
    """The conversation of a `say` that names no thread."""

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_fields(cls, given: Any) -> Any:
        fields = cls.model_fields
        has_aliases = any(field.validation_alias for field in fields.values())  # of a subclass
        if isinstance(given, dict) and cls.model_config["extra"] == "forbid" and not has_aliases:
            for name in given.keys() - fields.keys():
                raise ValueError(_not_a_field(name, fields))
        return given

    @field_validator("instructions", mode="before")
    @classmethod
    def _template_source(cls, given: Any) -> Any:
        return given.source if isinstance(given, Template) else given

    _version: int | None = PrivateAttr(default=None)
    """The number of the registered definition that this one was read from, or stored as."""
    _is_registered: bool = PrivateAttr(default=False)
    """Whether this handle has created, loaded or read what its id names."""

    def note_registered(self, definition: Definition | None) -> None:
        """Take over id and version of what was registered; None: nothing is any more."""
        self.id = None if definition is None else definition.id
        self._version = None if definition is None else definition.version
        self._is_registered = definition is not None

    def definition(self) -> Definition:
        """This assistant without its functions, as it is stored and published.

        Raises:
            BadTool: something in `tools` or `tool_resources` cannot be what it is to be.
        """
        own = set(type(self).model_fields) - set(AssistantFields.model_fields)
        return Definition(
            id=self.id or ids.named_assistant_id(self.name),
            version=self._version,
            name=self.name,
            description=self.description,
            instructions=self.instructions,
            model=load_settings().model if self.model is None else self.model,
            tools=specs(self.tools),
            hosted=hosted_tools(self.tools, self.tool_resources),
            metadata=self.metadata,
            response_format=self.response_format,
            queue=self.queue,
            fields={name: to_jsonable_python(getattr(self, name), fallback=str) for name in own},
        )

    def functions(self) -> list[Tool]:
        """The functions among its tools."""
        return functions(self.tools)

    def get_tools(self) -> list[Any]:
        """The tools of the next run; derive to change them."""
        return list(self.tools)

    def get_instructions(self, thread: Thread | None = None) -> str:  # noqa: ARG002  Marvin's signature
        """The template of the next run's instructions; derive to change it.

        What it returns is rendered, be it a str or a `Template`.
        """
        return self.instructions

    def clear_default_thread(self) -> None:
        """Begin a new conversation; the old one stays stored."""
        self.default_thread = Thread()

    def pre_run_hook(self) -> None:
        """Called before a run of `say` or `Thread.run` is enqueued; derive to use it."""

    def post_run_hook(self, run: Run) -> None:
        """Called with the run when it has ended; derive to use it."""


def _not_a_field(name: str, known: Iterable[str]) -> str:
    if name in RunOptions.model_fields:
        return f"{name!r} is an option of a run and no field of an assistant: say(..., {name}=...)."
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is not a field of an assistant.{hint} Known are: {', '.join(known)}."
