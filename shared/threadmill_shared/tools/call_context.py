"""The tool call that is being executed, as the tool itself can ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from threadmill_shared.errors import CallerError
from threadmill_shared.log_text import about


class NoCurrentCall(CallerError, LookupError):
    """`current_call()` was called while no tool is being executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What a tool can know of the call that it is executed for."""

    run_id: str
    thread_id: str
    call_id: str
    """Our own identity of the call (`call_...`), not the provider's."""
    attempt: int
    """1 for the run's first claim; higher after a worker died or gave the run back."""
    idempotency_key: str
    """The same for every execution of this call, so that an outside service can tell repeats."""
    assistant: str = ""
    """Name of the assistant that made the call."""
    context: dict[str, Any] = field(default_factory=dict)
    """The JSON that was given at enqueue: who the user is, which tenant. No model sees it."""


_current: ContextVar[CallContext] = ContextVar("threadmill_current_call")


def current_call() -> CallContext:
    """The call that this tool is being executed for.

    It is known in async tools, in sync tools, and in what they call; not in threads that a tool
    starts itself, unless it hands them its context (`contextvars.copy_context().run`).

    Raises:
        NoCurrentCall: no tool is being executed here.
    """
    try:
        return _current.get()
    except LookupError:
        message = (
            "current_call() works only inside a tool that a run has called. Call it in the tool's "
            "body, and pass its values to threads of your own; in a test, wrap the call in `with "
            "calling(CallContext(...)):`."
        )
        raise NoCurrentCall(message) from None


def call_fields(call: CallContext, *, traceback: str | None = None) -> dict[str, Any]:
    """The `extra` of a log line about a call that is logged outside its run."""
    return about(
        run=call.run_id,
        thread=call.thread_id,
        assistant=call.assistant,
        attempt=call.attempt,
        traceback=traceback,
    )


@contextmanager
def calling(context: CallContext) -> Iterator[None]:
    """Make `context` the current call for the body of the `with` block."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
