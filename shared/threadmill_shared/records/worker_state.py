"""What a worker is doing, as it writes it down for others every few seconds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from threadmill_shared.stored import Stored, later_field

ProviderCondition = Literal["unknown", "answering", "failing"]

NO_SUCH_MODEL_CAUSE = "no such model or address (HTTP 404)"
"""Why a provider fails that has not found anything it was asked for."""
NAMED_MODELS = 20
"""A worker names so many missing models at most."""
NAMED_CALLS = 50
"""A worker names so many abandoned calls at most: its state is to stay small."""


class ToolThreadUse(Stored):
    """How many threads for blocking tools are in use."""

    limit: int = 0
    """Calls that may be executed at a time."""
    busy: int = 0
    """Threads that execute a call whose run waits for it."""
    abandoned: int = later_field(0)
    """Further threads, whose call has not returned although no run waits for it any more."""
    abandoned_calls: tuple[str, ...] = later_field(())
    """The ids of the oldest of these calls, at most `NAMED_CALLS`."""
    waiting: int = later_field(0)
    """Calls that wait for a thread."""


class ProviderState(Stored):
    """What the worker knows of its model provider from its own requests."""

    host: str = ""
    """Empty if the model has no provider, such as one of a test."""
    api: str = ""
    """`responses` or `chat`."""
    state: str = "unknown"
    """A `ProviderCondition`, judged by the last request; a later release may have others."""
    since: int = 0
    """Seconds since the epoch, by the worker's clock; 0: it has not been asked yet."""
    cause: str | None = None
    """Why it is failing."""
    failed_at: int = later_field(0)
    """When the last request failed, in seconds since the epoch; 0: it is not failing, or the worker
    did not say."""
    missing_models: dict[str, int] = later_field({})
    """Models that it does not have, and when it has said so last, in seconds since the epoch."""


class WorkerState(Stored):
    """What a worker process is and does; all fields are optional for readers of other releases."""

    version: str = ""
    modules: tuple[str, ...] = ()
    """The modules that it has loaded, as they were named to it."""
    started_at: int = 0
    """Seconds since the epoch, by the worker's clock."""
    slots: int = 0
    """Runs that it executes at most at a time."""
    running: int = 0
    """Runs that it executes."""
    awaited_functions: dict[str, int] = later_field({})
    """How many of them wait for a worker that has a function, by the function's identity."""
    assistants: dict[str, str] = Field(default_factory=dict)
    """Digest of the definition by name of the assistants that it publishes."""
    tool_threads: ToolThreadUse = ToolThreadUse()
    provider: ProviderState = ProviderState()
    metrics: str | None = later_field()
    """Address of its metrics, `host:port`."""
    stopping: bool = later_field(False)  # noqa: FBT003
    """Whether it was told to end: it takes no run any more."""
    clock_offset: int = later_field(0)
    """Seconds by which its clock is ahead of the server's; 0: they agree, or it did not say."""
