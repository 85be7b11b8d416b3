"""The Celery tasks: one that executes a run, and two through which other services enqueue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from celery import Celery, Task, signals

from threadmill_shared import errors, ids
from threadmill_shared.broker.queues import EXECUTE, PING, PROBE, RUN, SAY
from threadmill_shared.run_request import RunRequest
from threadmill_workers.consuming.celery_requests import RedactedRequest, RunMessage, refusal
from threadmill_workers.consuming.service_requests import (
    ServiceRequest,
    WrongArgumentsError,
    describe_refusal,
    shown_assistant,
)

logger = logging.getLogger("threadmill.worker")


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
    # Revoking a run's task is meant to end the run. Celery itself would only drop the message.
    signals.task_revoked.connect(revoked, sender=execute, weak=False)
    _register(app, PROBE, begin_probe)
    _register(app, PING, begin_ping)


def _register(app: Celery, name: str, begin: Callable[..., Future[None]]) -> Task:
    # `begin` is what our pool calls; the body is for another pool.
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
    task_id = task.request.id
    try:
        if unnamed:
            raise WrongArgumentsError(f"{task.name} takes keyword arguments only")
        request = ServiceRequest(namespace, task_id, arguments, says=says)
        run_id = host.enqueue_named(request.assistant, request.for_definition)
    except (errors.CallerError, TypeError) as error:
        name, reason = shown_assistant(arguments), describe_refusal(error)
        logger.error("%s was refused (task %s, assistant %r): %s", task.name, task_id, name, reason)
        return refusal(error)
    except errors.InfrastructureError as error:
        logger.warning("task %s will be retried (%s)", task_id, type(error).__name__)
        raise task.retry(exc=_Unreachable(), countdown=5, max_retries=None) from None
    else:
        logger.info("task %s became %s", task_id, run_id)
        return run_id


class _Unreachable(Exception):
    """The store did not answer."""
