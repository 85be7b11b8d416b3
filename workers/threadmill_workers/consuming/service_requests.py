"""How other services enqueue runs: the arguments of `threadmill.say` and `threadmill.run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.instructions.templates import Template
from threadmill_shared.records.texts import check_key
from threadmill_shared.records.thread import ThreadRef
from threadmill_shared.run_request import OptionError, RunRequest

_NAME_CHARACTERS = 100
_REASON_CHARACTERS = 500
"""Of what others have sent, as much as a log line shows."""


class WrongArgumentsError(TypeError):
    """The task's arguments are not those that it takes. Its words quote none of them."""


_QUOTABLE = (
    errors.AssistantNotFound,
    errors.BadMessage,
    errors.IdempotencyMismatch,
    errors.ThreadFull,
    errors.ThreadLocked,
    errors.TooLarge,
    errors.Unsupported,
    WrongArgumentsError,
)
"""Errors whose words quote nothing of what was sent but an assistant's name."""


def describe_refusal(error: Exception) -> str:
    """Say what is wrong, in one line. It quotes no text that was sent: that is not for the log."""
    if isinstance(error, _QUOTABLE):
        what = str(error)
    elif isinstance(error, OptionError):
        what = error.reason
    elif isinstance(error, TypeError):
        what = "an argument has the wrong type, or a value that it cannot have."
    else:
        what = (type(error).__doc__ or "").partition("\n")[0]
    return f"{type(error).__name__}: {' '.join(what.split())[:_REASON_CHARACTERS]}"


def shown_assistant(arguments: Mapping[str, Any]) -> str:
    """The name of the assistant that was asked for, as far as a log line shows it."""
    return str(arguments.get("assistant", ""))[:_NAME_CHARACTERS]


class ServiceRequest:
    """The arguments of `threadmill.say` and `threadmill.run`, checked."""

    _OPTIONAL = frozenset(
        {"thread_key", "thread_id", "when_busy", "context", "instructions"}
        | {"additional_instructions", "options"}
    )

    def __init__(
        self, namespace: str, task_id: str, arguments: Mapping[str, Any], *, says: bool
    ) -> None:
        required = {"assistant", "message"} if says else {"assistant"}
        unknown = arguments.keys() - required - self._OPTIONAL
        missing = required - arguments.keys()
        if unknown or missing:
            raise WrongArgumentsError(
                f"missing: {', '.join(sorted(missing)) or 'none'}; unknown: {len(unknown)} of its "
                f"arguments; known are {', '.join(sorted(required | self._OPTIONAL))}"
            )
        self._namespace = namespace
        self._task_id = task_id
        self._arguments = dict(arguments)
        for name in {"instructions", "additional_instructions"} & arguments.keys():
            self._arguments[name] = _instructions(name, arguments[name])
        if not isinstance(arguments.get("options", {}), Mapping):
            raise WrongArgumentsError("options must be an object")
        if {"thread_key", "thread_id"} <= arguments.keys():
            raise WrongArgumentsError("a thread has a thread_key or a thread_id, not both")
        self.assistant = str(self._arguments.pop("assistant"))
        self._thread = self._thread_ref(
            self._arguments.pop("thread_key", None), self._arguments.pop("thread_id", None)
        )
        if not says and self._thread is None:
            raise WrongArgumentsError("threadmill.run needs a thread_key or a thread_id")

    def _thread_ref(self, key: str | None, id: str | None) -> ThreadRef | None:
        if id is not None:
            return ThreadRef(ids.checked_thread_id(id), create=False)
        if key is not None:
            check_key(key, "thread_key")
            return ThreadRef(ids.keyed_thread_id(self._namespace, key), create=True, key=key)
        return None

    def for_definition(self, definition: Any) -> RunRequest:
        """The request, to the assistant of this definition."""
        rest = dict(self._arguments)
        return RunRequest(
            definition=definition,
            message=rest.pop("message", None),
            thread=self._thread,
            idempotency_key=self._task_id,
            **rest,
        )


def _instructions(name: str, given: Any) -> str | Template | None:
    """A text as it is, and what asks for rendering as a template."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, dict) and given.keys() == {"template"}:
        source = given["template"]
        if isinstance(source, str):
            return Template(source)
    raise WrongArgumentsError(f"{name} must be a text, or {{'template': a text}}")
