"""The Celery tasks: one that executes a run, and two through which other services enqueue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from celery import Celery, Task, signals

from threadmill_shared import errors, ids
from threadmill_shared.broker.queues import EXECUTE, PING, PROBE, RUN, SAY
from threadmill_shared.instructions.templates import Template
from threadmill_shared.run_request import OptionError, RunRequest, ThreadRef, check_key
from threadmill_workers.consuming.celery_requests import RedactedRequest, RunMessage, refusal

logger = logging.getLogger("threadmill.worker")

_NAME_CHARACTERS = 100
_REASON_CHARACTERS = 500
"""Of what others have sent, as much as a log line shows."""


class TaskHost(Protocol):
    """What the tasks ask of the worker process."""

    def begin(self, run_id: str, task_id: str) -> Future[None]:
        """Begin to execute a run; done when this process is done with it."""
        ...

    def begin_resending(self, queue: str, until: int) -> Future[None]:
        """Begin to send again what was lost in a queue until then; done when that is done."""
        ...

    def take_ping(self, number: int) -> Future[None]:
        """Take a message of this process to itself."""
        ...

    def begin_cancelling(self, run_id: str, task_id: str) -> None:
        """Begin to cancel a run, because somebody has revoked its task."""
        ...

    def enqueue_named(self, assistant: str, make: Callable[[Any], RunRequest]) -> str:
        """Enqueue for an assistant that is known by name or id; returns the run's id."""
        ...


def register_tasks(app: Celery, host: TaskHost, namespace: str) -> None:
    """Give the app its tasks."""
    _register_begun_on_the_loop(app, host)
    private = {"acks_late": True, "Request": RedactedRequest, "bind": True, "shared": False}

    @app.task(name=SAY, **private)
    def say(task: Task, *unnamed: Any, **arguments: Any) -> str:
        return _enqueue(host, namespace, task, unnamed, arguments, says=True)

    @app.task(name=RUN, **private)
    def run(task: Task, *unnamed: Any, **arguments: Any) -> str:
        return _enqueue(host, namespace, task, unnamed, arguments, says=False)

    _ = say, run


def _register_begun_on_the_loop(app: Celery, host: TaskHost) -> None:
    """Runs, and messages of workers to workers: they need no thread."""

    def begin(task_id: str, run_id: str) -> Future[None]:
        return host.begin(ids.checked_run_id(run_id), task_id)

    def begin_probe(_: str, queue: str, until: int) -> Future[None]:
        return host.begin_resending(str(queue), int(until))

    def begin_ping(_: str, number: int) -> Future[None]:
        return host.take_ping(int(number))

    def revoked(request: Any, **_: Any) -> None:
        for run_id in request.args or ():
            with contextlib.suppress(errors.RunNotFound):  # anybody can send anything
                host.begin_cancelling(ids.checked_run_id(run_id), request.id)

    execute = _register(app, EXECUTE, begin)
    # Who revokes a run's task wants the run to end. Celery itself would only drop the message.
    signals.task_revoked.connect(revoked, sender=execute, weak=False)
    _register(app, PROBE, begin_probe)
    _register(app, PING, begin_ping)


def _register(app: Celery, name: str, begin: Callable[..., Future[None]]) -> Task:
    # `begin` is what our pool calls; the body serves whoever runs the task in another one.
    # Celery gives a task that is shared to every later app of the process, with this host.
    # Of runs monitors are told by `TaskEvents`; the others are our own affair.
    @app.task(
        name=name,
        Request=RunMessage,
        begin=staticmethod(begin),
        bind=True,
        shared=False,
        send_events=False,
    )
    def task(task: Task, *arguments: Any) -> None:
        begin(task.request.id, *arguments).result()

    return task


def _enqueue(
    host: TaskHost,
    namespace: str,
    task: Task,
    unnamed: tuple[Any, ...],
    arguments: dict[str, Any],
    *,
    says: bool,
) -> str:
    """Enqueue what another service asked for. The task's id is the idempotency key.

    Returns:
        The run's id, or what `RedactedRequest` takes for a refusal.
    """
    try:
        if unnamed:
            raise WrongArgumentsError(f"{task.name} takes keyword arguments only")
        request = _ServiceRequest(namespace, task.request.id, arguments, says=says)
        run_id = host.enqueue_named(request.assistant, request.for_definition)
    except (errors.CallerError, TypeError) as error:
        assistant = str(arguments.get("assistant", ""))[:_NAME_CHARACTERS]
        logger.error(
            "%s was refused (task %s, assistant %r): %s",
            task.name,
            task.request.id,
            assistant,
            _describe(error),
        )
        return refusal(error)
    except errors.InfrastructureError as error:
        logger.warning(
            "task %s will be retried (%s)",
            task.request.id,
            type(error).__name__,
        )
        raise task.retry(exc=_Unreachable(), countdown=5, max_retries=None) from None
    else:
        logger.info("task %s became %s", task.request.id, run_id)
        return run_id


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


def _describe(error: Exception) -> str:
    """What is wrong, in one line. It quotes no text that was sent: that is not for the log."""
    if isinstance(error, _QUOTABLE):
        what = str(error)
    elif isinstance(error, OptionError):
        what = error.reason
    elif isinstance(error, TypeError):
        what = "an argument has the wrong type, or a value that it cannot have."
    else:
        what = (type(error).__doc__ or "").partition("\n")[0]
    return f"{type(error).__name__}: {' '.join(what.split())[:_REASON_CHARACTERS]}"


class _Unreachable(Exception):
    """The store did not answer."""


class _ServiceRequest:
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
            return ThreadRef(ids.keyed_thread_id(self._namespace, key), create=True)
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
