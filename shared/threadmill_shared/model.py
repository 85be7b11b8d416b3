"""What the assistant loop needs of a language model, and the few events it gets back.

A provider turns its own stream into these events. The loop never sees a provider's types, and a
provider never sees Redis.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from threadmill_shared.errors import ModelError
from threadmill_shared.hosted_tools import HostedTool
from threadmill_shared.records.items import Item
from threadmill_shared.tools import ToolSpec


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to a model: all that one turn sends."""

    model: str
    instructions: str
    items: Sequence[Item]
    """The part of the thread that is sent, oldest first."""
    tools: Sequence[ToolSpec] = ()
    hosted: Sequence[HostedTool] = ()
    """Tools that the provider executes."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Images of the items as data URLs, by their files' ids."""
    tool_choice: str | dict[str, Any] | None = None
    """`none`, `auto`, `required`, `{"type": "function", "function": {"name": ...}}`, or
    `{"type": ...}` with a hosted tool's type."""
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None
    parallel_tool_calls: bool | None = None
    response_format: str | dict[str, Any] | None = None
    """`auto`, `{"type": "json_object"}` or `{"type": "json_schema", "json_schema": {...}}`."""
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    extra_body: Mapping[str, Any] | None = None
    """Further members of the body; members of objects are added to those of ours."""
    run_id: str = ""
    """The run that asks: of an earlier one's code the container may be gone."""
    queue: str = ""
    """The queue of the run, if its assistant has one: what has another one came from a provider
    that may be another."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the message that the model is writing."""

    text: str


@dataclass(frozen=True, slots=True)
class TextCited:
    """The message that is being written cites a file where its text ends now."""

    annotation: dict[str, Any]
    """In the Responses API's form."""


@dataclass(frozen=True, slots=True)
class MessageEnded:
    """The message that the deltas since the last `MessageEnded` belong to is whole."""

    annotations: Sequence[dict[str, Any]] = ()
    """What it cites and was not told yet, in the Responses API's form."""
    phase: str = ""
    """What the model calls it, such as `commentary` before its calls; it wants that back."""


def shifted(annotation: dict[str, Any], by: int) -> dict[str, Any]:
    """An annotation of a text that has become part of a longer one."""
    places = {"start_index", "end_index", "index"} & annotation.keys()
    return annotation | {name: annotation[name] + by for name in places}


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks for one call of a tool."""

    name: str
    arguments: str
    """JSON, as the model wrote it; not yet validated."""
    provider_id: str = ""
    """The provider's name for the call. Some servers leave it empty or repeat it."""


@dataclass(frozen=True, slots=True)
class ReasoningReceived:
    """An opaque reasoning item, to be sent back to the model that made it."""

    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpaqueFieldsReceived:
    """Fields of the provider's own that came with the turn, to be sent back to its model."""

    message: dict[str, Any]
    calls: Sequence[dict[str, Any]] = ()
    """Of each call, in their order."""


HostedKind = Literal["code_interpreter", "file_search", "web_search"]


@dataclass(frozen=True, slots=True)
class HostedCallStarted:
    """The provider begins a call of one of its own tools."""

    kind: HostedKind


@dataclass(frozen=True, slots=True)
class CodeDelta:
    """A piece of the code of the call that was begun last."""

    text: str


@dataclass(frozen=True, slots=True)
class HostedCallEnded:
    """The call that was begun last has ended.

    Attributes:
        data: the item that goes back to the provider with the conversation.
        details: the call in the Assistants API's shape, without images.
        images: what the code has drawn, as data URLs.
    """

    kind: HostedKind
    data: dict[str, Any]
    details: dict[str, Any]
    images: Sequence[str] = ()
    failed: bool = False


class FinishReason(StrEnum):
    """Why the model stopped."""

    END = "end"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
        )


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The last event of every stream that was not broken off."""

    stop: FinishReason = FinishReason.END
    usage: Usage = field(default_factory=Usage)


ModelEvent = (
    TextDelta
    | TextCited
    | MessageEnded
    | ToolCalled
    | ReasoningReceived
    | OpaqueFieldsReceived
    | HostedCallStarted
    | CodeDelta
    | HostedCallEnded
    | TurnEnded
)


class Model(Protocol):
    """A language model that streams."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask once, and yield events as they arrive, `TurnEnded` last.

        Closing the generator closes the provider's connection at once.

        Raises:
            ModelRefused: the request is at fault.
            ModelUnavailable: the provider is, and another try may succeed.
            ModelGarbled: the stream broke off or was not of the protocol.
            ContextTooLong: the items do not fit into the model's context.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class FileRefused(ModelError):
    """The provider does not take a file, or cannot search it; another try would not help.

    Attributes:
        reason: why, in the provider's words, so far as they may be told.
        status: the HTTP status, if there is one.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(f"The model provider does not take a file: {reason}.")
        self.reason = reason
        self.status = status


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """How many files of a vector store cannot be searched."""

    pending: int = 0
    """Not yet."""
    failed: int = 0
    """Never."""


@dataclass(frozen=True, slots=True)
class FileState:
    """Whether a file of a vector store can be searched."""

    status: Literal["completed", "pending", "failed"]
    reason: str = ""
    """Why it failed."""


class ProviderFiles(Protocol):
    """The files that a provider keeps for its hosted tools. All may raise a ModelError."""

    async def fetch(self, container_id: str, file_id: str, limit: int) -> bytes:
        """A file that code has written.

        Raises:
            TooLarge: it has more bytes than `limit`.
        """
        ...

    async def upload(self, name: str, content: bytes, *, is_searched: bool) -> tuple[str, float]:
        """Give it a file; returns its id there, and until when it is kept (seconds since 1970).

        Raises:
            FileRefused: the provider does not take it.
        """
        ...

    async def make_store(self, name: str, file_ids: Sequence[str]) -> str:
        """Make a vector store of these files, of which none can be searched yet; returns its id.

        Raises:
            FileRefused: the provider makes none of them.
        """
        ...

    async def find_store(self, name: str, since: float) -> str | None:
        """The newest vector store of this name that was made after a time (seconds since 1970)."""
        ...

    async def add_to_store(self, store_id: str, file_id: str) -> None:
        """Add a file to a vector store; it cannot be searched yet.

        Raises:
            FileRefused: the provider does not take it.
        """
        ...

    async def has_store(self, store_id: str) -> bool:
        """Whether the vector store is there, and not forgotten."""
        ...

    async def wait_until_indexed(self, store_id: str, seconds: float) -> IndexCounts:
        """Wait until no file of a vector store is pending, but not longer than this."""
        ...

    async def file_states(self, store_id: str, file_ids: Sequence[str]) -> dict[str, FileState]:
        """The states of these files; of those that the provider says something about."""
        ...


def files_of(model: Model) -> ProviderFiles | None:
    """The model's `files`, if its provider stores files."""
    return getattr(model, "files", None)


def host_of(model: Model) -> str:
    """The host of the model's provider, with its port; empty if there is none."""
    return str(getattr(model, "host", ""))


def body_of(model: Model, request: ModelRequest) -> object:
    """What the model sends for this request, as JSON; if it has no `body`, what differs most."""
    make_body = getattr(model, "body", None)
    if make_body is not None:
        return make_body(request)
    return [list(request.items), sorted(request.images), repr(request.hosted)]
