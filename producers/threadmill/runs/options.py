"""What a caller may set for one run, as type checkers see it; an enqueue checks it as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from threadmill.runs.attachments import Files
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.changes import WhenBusy


class EnqueueOptions(TypedDict, total=False):
    """Options of `enqueue`, and of all other ways to begin a run."""

    model: str | None
    instructions: str | Template | None
    """In place of the assistant's; a str is sent as it stands, a `Template` is rendered."""
    additional_instructions: str | Template | None
    """Behind the assistant's."""
    tools: Sequence[Any] | None
    """In place of the assistant's."""
    additional_tools: Sequence[Any]
    """Beside the assistant's."""
    tool_choice: str | Mapping[str, Any] | None
    """`none`, `auto`, `required`, a tool's name, or the Assistants API's form of it."""
    temperature: float | None
    top_p: float | None
    max_completion_tokens: int | None
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | None
    truncation_strategy: Mapping[str, Any] | None
    metadata: Mapping[str, str]
    result_type: Any
    """The type of `run.result`: whatever pydantic can read from JSON."""


class FileOptions(TypedDict, total=False):
    """What goes with a message."""

    code_interpreter_files: Files
    file_search_files: Files
    image_files: Files


class SayOptions(EnqueueOptions, total=False):
    """Options of `say` and of a thread's `run`."""

    when_busy: WhenBusy
    idempotency_key: str | None
    context: dict[str, Any] | None
