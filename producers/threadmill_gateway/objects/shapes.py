"""The shapes of the API's objects, for its description; tests compare all answers with them."""

from __future__ import annotations

from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic reads the standard library's only from 3.12 on
)

from typing_extensions import (
    TypedDict,
)

RunStatus = Literal[
    "queued",
    "in_progress",
    "requires_action",
    "cancelling",
    "cancelled",
    "failed",
    "completed",
    "incomplete",
    "expired",
]


class Usage(TypedDict):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Assistant(TypedDict):
    """An assistant."""

    id: str
    object: Literal["assistant"]
    created_at: int
    name: str | None
    description: str | None
    model: str
    instructions: str | None
    tools: list[dict[str, Any]]
    tool_resources: dict[str, Any]
    metadata: dict[str, str]
    temperature: float
    top_p: float
    response_format: str | dict[str, Any]
    reasoning_effort: str | None


class Thread(TypedDict):
    """A thread."""

    id: str
    object: Literal["thread"]
    created_at: int
    metadata: dict[str, str]
    tool_resources: dict[str, Any]


class Message(TypedDict):
    """A message."""

    id: str
    object: Literal["thread.message"]
    created_at: int
    thread_id: str
    status: Literal["in_progress", "incomplete", "completed"]
    role: Literal["user", "assistant"]
    content: list[dict[str, Any]]
    run_id: str | None
    assistant_id: str | None
    attachments: list[dict[str, Any]]
    metadata: dict[str, str]
    completed_at: int | None
    incomplete_at: int | None
    incomplete_details: dict[str, Any] | None


class Run(TypedDict):
    """A run."""

    id: str
    object: Literal["thread.run"]
    created_at: int
    thread_id: str
    assistant_id: str
    status: RunStatus
    model: str
    instructions: str
    tools: list[dict[str, Any]]
    metadata: dict[str, str]
    temperature: float | None
    top_p: float | None
    max_prompt_tokens: int | None
    max_completion_tokens: int | None
    truncation_strategy: dict[str, Any]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    response_format: str | dict[str, Any]
    required_action: dict[str, Any] | None
    last_error: dict[str, Any] | None
    incomplete_details: dict[str, Any] | None
    usage: Usage | None
    started_at: int | None
    expires_at: int | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None


class RunStep(TypedDict):
    """A step of a run."""

    id: str
    object: Literal["thread.run.step"]
    created_at: int
    run_id: str
    thread_id: str
    assistant_id: str
    type: Literal["message_creation", "tool_calls"]
    status: Literal["in_progress", "cancelled", "failed", "completed", "expired"]
    step_details: dict[str, Any]
    last_error: dict[str, Any] | None
    metadata: dict[str, str]
    usage: Usage | None
    cancelled_at: int | None
    failed_at: int | None
    completed_at: int | None
    expired_at: int | None


class File(TypedDict):
    """An uploaded file."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"]
    expires_at: NotRequired[int]


class Deleted(TypedDict):
    """That an object was deleted."""

    id: str
    object: str
    deleted: Literal[True]


class Model(TypedDict):
    """A model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ErrorObject(TypedDict):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(TypedDict):
    """The body of an answer that refuses a request."""

    error: ErrorObject
