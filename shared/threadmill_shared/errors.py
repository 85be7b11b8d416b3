"""Every error that threadmill raises, split by whose fault it is.

ThreadmillError
├── CallerError            the call cannot be carried out as it was made; nothing was written
│   ├── AssistantNotFound, ThreadNotFound, RunNotFound, StepNotFound, EventsExpired, FileNotFound
│   ├── ThreadLocked, ThreadFull, IdempotencyMismatch
│   ├── NotWaiting (WrongOutputs), CallTaken, OutputMismatch
│   ├── BadTemplate, BadMessage, BadTool, BadFile, TooLarge, Unsupported, LifecycleError
│   └── NotConfigured
├── NotAllEnqueued         some of many runs could not be stored
├── RunFailed              the run ended without an answer
├── WaitTimeout            the wait ended, the run continues
├── ModelError             the provider's side
│   └── ModelRefused, ModelUnavailable, ModelGarbled, ContextTooLong, ResultInvalid
├── ToolError              a tool's side; the model is told, the run continues
│   └── ToolArgumentsInvalid, ToolNotFound, ToolTimedOut, ToolInterrupted, ToolRejected
└── InfrastructureError    Redis or the broker
    └── StoreUnavailable, StoreFull, StoreIncompatible, RunLost, LogRewound
"""

from __future__ import annotations

from typing import Any


class ThreadmillError(Exception):
    """The base of all errors that threadmill raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is otherwise copied by a call with its message alone, which is not what all
        # of them are made of. Celery and multiprocessing send errors pickled.
        return _copied, (type(self), self.args), vars(self)


# ---- the caller's ------------------------------------------------------------------------------


class CallerError(ThreadmillError):
    """The call cannot be carried out as it was made; nothing was written."""


class NotConfigured(CallerError):
    """A setting is missing that this call needs."""


class AssistantNotFound(CallerError, LookupError):
    """No worker has published, and nobody has created, an assistant of this name or id."""


class ThreadNotFound(CallerError, LookupError):
    """There is no thread with this id."""


class RunNotFound(CallerError, LookupError):
    """There is no run with this id."""


class StepNotFound(CallerError, LookupError):
    """The run has no step with this id."""


class FileNotFound(CallerError, LookupError):
    """There is no uploaded file with this id."""


class EventsExpired(CallerError, LookupError):
    """The events asked for are past their lifetime.

    Attributes:
        first: number of the first event that is still there.
        last: number of the last one (the run's `done`).
    """

    def __init__(self, message: str, *, first: int, last: int) -> None:
        super().__init__(message)
        self.first = first
        self.last = last


class ThreadLocked(CallerError):
    """A run holds the thread; `.run_id` names it.

    Attributes:
        run_id: the run that holds the thread.
    """

    def __init__(self, message: str, *, run_id: str) -> None:
        super().__init__(message)
        self.run_id = run_id


class ThreadFull(CallerError):
    """As many runs wait in the thread's line as `THREADMILL_MAX_WAITING` allows."""


class IdempotencyMismatch(CallerError):
    """The idempotency key was used before with other content."""


class NotWaiting(CallerError):
    """The run does not wait for this call's output or approval (yet, or any more).

    Attributes:
        status: the run's, when it was asked.
    """

    def __init__(self, message: str, *, status: str) -> None:
        super().__init__(message)
        self.status = status


class WrongOutputs(NotWaiting):
    """The outputs are not those that the run waits for, each once; none was stored.

    Attributes:
        expected: ids of the calls that wait for an output.
        given: ids of the calls for which there were outputs.
    """

    def __init__(self, message: str, *, status: str, expected: list[str], given: list[str]) -> None:
        super().__init__(message, status=status)
        self.expected = expected
        self.given = given


class CallTaken(CallerError):
    """Another process executes this call, and its output counts."""


class OutputMismatch(CallerError):
    """The call has another output already."""


class BadTemplate(CallerError, ValueError):
    """The instructions are not a template that can be rendered."""


class BadMessage(CallerError, ValueError):
    """The message is of the wrong type or empty."""


class MessageNotFound(BadMessage, LookupError):
    """The thread has no message with this id."""


class BadFile(CallerError, ValueError):
    """A file cannot be uploaded: it cannot be read, or is empty."""


class BadTool(CallerError, ValueError):
    """The function cannot be offered to a model as a tool."""


class TooLarge(CallerError, ValueError):
    """Something is larger than its limit; the message names the setting."""


class Unsupported(CallerError, NotImplementedError):
    """This version does not do that yet."""


class LifecycleError(CallerError, ValueError):
    """An assistant is created twice, or deleted without having been created."""


# ---- how a run or a wait ended -------------------------------------------------------------------


class NotAllEnqueued(ThreadmillError):
    """Some runs of an `enqueue_many` could not be stored.

    Attributes:
        runs: in the order of the jobs, the run of each; None: it was not stored, or nobody knows.
        errors: what `enqueue` would have raised for these, by the job's index.
    """

    def __init__(self, *, runs: list[Any], errors: dict[int, Exception]) -> None:
        self.runs = runs
        self.errors = errors
        index, first = next(iter(errors.items()))
        super().__init__(
            f"{len(errors)} of {len(runs)} jobs were not enqueued; `.errors` says why, and `.runs` "
            f"has the runs of the others. Job {index}: {first}"
        )


class RunFailed(ThreadmillError):
    """The run ended as `failed` or `expired`; `.run` tells why.

    Attributes:
        run: the run's handle.
    """

    def __init__(self, message: str, *, run: Any) -> None:
        super().__init__(message)
        self.run = run


class WaitTimeout(ThreadmillError, TimeoutError):
    """The wait ended before the run did; the run continues.

    Attributes:
        run: the run's handle.
    """

    def __init__(self, message: str, *, run: Any) -> None:
        super().__init__(message)
        self.run = run


# ---- the model's ---------------------------------------------------------------------------------


class ModelError(ThreadmillError):
    """The provider did not give an answer."""

    cause: str = ""
    """Why, for logs: no part of it is the provider's own words, which may quote a user."""


class ModelRefused(ModelError):
    """The provider refused the request as such; asking again would not help.

    Attributes:
        status: the HTTP status, if there is one.
        code: the provider's word for the reason; empty if there is none.
        param: the part of the request that it names; empty if it names none.
        reason: its own text, which may quote the conversation: it must not be shown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str = "",
        param: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.reason = reason


class ModelUnavailable(ModelError):
    """The provider is overloaded, limits the rate, or cannot be reached; worth another try.

    Attributes:
        retry_after: seconds to wait, if the provider named them.
        rate_limited: whether the reason is a rate limit (HTTP 429).
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, rate_limited: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.rate_limited = rate_limited


class ModelGarbled(ModelError):
    """The provider's stream broke off or was not of its protocol; worth another try."""


class ContextTooLong(ModelError):
    """The conversation does not fit into the model's context, or into one request.

    Attributes:
        in_bytes: whether the request has too many bytes, rather than too many tokens.
    """

    def __init__(self, message: str, *, in_bytes: bool = False) -> None:
        super().__init__(message)
        self.in_bytes = in_bytes


class ResultInvalid(ModelError, ValueError):
    """The model's answer is not of the type that the run's result is to have."""


# ---- a tool's ------------------------------------------------------------------------------------


class ToolError(ThreadmillError):
    """A tool call did not succeed; the model is told, and the run continues."""


class ToolArgumentsInvalid(ToolError, ValueError):
    """The arguments do not fit the tool's annotations; the tool was not called."""


class ToolNotFound(ToolError, LookupError):
    """No worker knows the tool that the model asked for."""


class ToolTimedOut(ToolError, TimeoutError):
    """The tool took longer than its timeout."""


class ToolInterrupted(ToolError):
    """Whoever began the call was lost; whether it had an effect is not known."""


class ToolRejected(ToolError):
    """Somebody decided that the call is not to be executed."""


# ---- the infrastructure's ------------------------------------------------------------------------


class InfrastructureError(ThreadmillError):
    """Redis or the broker is at fault."""


class StoreUnavailable(InfrastructureError, ConnectionError):
    """Redis cannot be reached, or did not answer in time."""


class StoreFull(InfrastructureError):
    """Redis uses 90 % of its `maxmemory` or more; nothing new is taken in."""


class StoreIncompatible(InfrastructureError):
    """The store was written by a newer threadmill, or the server is unfit for it."""


class RunLost(InfrastructureError):
    """The run's keys are gone: they expired, were deleted, or were lost in a failover."""


class LogRewound(InfrastructureError):
    """The event log is in an earlier state than the one already read (a failover lost writes)."""


def _copied(kind: type[ThreadmillError], args: tuple[Any, ...]) -> ThreadmillError:
    """An error of this class before it gets its attributes."""
    error = kind.__new__(kind, *args)
    error.args = args  # OSError, the base of some, leaves them to `__init__`
    return error
