"""What a caller can set for one run: as type checkers see it, and as one value.

The value is created from the caller's arguments and passed on unchanged. It checks nothing:
enqueueing does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Required, TypedDict

from threadmill.runs.attachments import Files
from threadmill.runs.handles import ThreadHandle
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.changes import WhenBusy
from threadmill_shared.records.model_options import ReasoningEffort, Verbosity


class EnqueueOptions(TypedDict, total=False):
    """Options of `enqueue`, and of all other calls that start a run."""

    model: str | None
    instructions: str | Template | None
    """Replaces the assistant's; a str is sent unchanged, a `Template` is rendered."""
    additional_instructions: str | Template | None
    """Appended to the assistant's."""
    additional_messages: Sequence[Mapping[str, Any]] | None
    """Added to the thread with the run, before its own message: `role`, `content`, `metadata`."""
    tools: Sequence[Any] | None
    """Replaces the assistant's."""
    additional_tools: Sequence[Any]
    """Added to the assistant's."""
    tool_choice: str | Mapping[str, Any] | None
    """`none`, `auto`, `required`, a tool's name, or the Assistants API's form of it."""
    temperature: float | None
    top_p: float | None
    max_completion_tokens: int | None
    """The run ends as incomplete if its turns together would write more."""
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | None
    truncation_strategy: Mapping[str, Any] | None
    metadata: Mapping[str, str]
    max_prompt_tokens: int | None
    """The run ends as incomplete if its turns together have sent more."""
    reasoning_effort: ReasoningEffort | None
    verbosity: Verbosity | None
    service_tier: str | None
    """The provider's name for it, such as `flex` or `priority`."""
    safety_identifier: str | None
    """Names the end user to the provider; at most 64 characters, such as a hash of an id."""
    extra_body: Mapping[str, Any] | None
    """Further members of the request's body, for options that only some providers know."""
    result_type: Any
    """The type of `run.result`: any type that pydantic can read from JSON."""


class SayOptions(EnqueueOptions, total=False):
    """Options of `say` and of a thread's `run`."""

    when_busy: WhenBusy
    idempotency_key: str | None
    context: dict[str, Any] | None


class Job(SayOptions, total=False):
    """What `enqueue_many` takes for one run: the arguments of `enqueue`, by name."""

    message: Required[str]
    """What the user says."""
    thread: ThreadHandle | None
    """The conversation; None: a new one."""
    code_interpreter_files: Files
    """Paths, as for `say`."""
    file_search_files: Files
    image_files: Files


@dataclass(frozen=True)
class WaitOptions:
    """How a caller waits for a run."""

    event_handler_class: type[Any] | None
    event_handler_kwargs: dict[str, Any] | None
    timeout: float | None
    """Seconds; None: without a limit."""


@dataclass(frozen=True, kw_only=True)
class RequestOptions:
    """Everything that a caller has set for one run; see `SayOptions` and `Assistant.say`."""

    when_busy: WhenBusy = "queue"
    idempotency_key: str | None = None
    context: dict[str, Any] | None = None
    model: str | None = None
    instructions: str | Template | None = None
    additional_instructions: str | Template | None = None
    additional_messages: Sequence[Mapping[str, Any]] | None = None
    tools: Sequence[Any] | None = None
    additional_tools: Sequence[Any] = ()
    result_type: Any = None
    code_interpreter_files: Files = None
    file_search_files: Files = None
    image_files: Files = None
    others: Mapping[str, Any] = field(default_factory=dict)
    """The other options of the model, by name; and unknown names."""

    @classmethod
    def of(cls, /, **given: Any) -> RequestOptions:
        """The value from the caller's keyword arguments."""
        own = {name: value for name, value in given.items() if name in _OWN_NAMES}
        others = {name: value for name, value in given.items() if name not in _OWN_NAMES}
        return cls(**own, others=others)


_OWN_NAMES = frozenset(one.name for one in fields(RequestOptions)) - {"others"}
