"""Celery's threads pool, in which a run needs no thread.

A run is a coroutine on the process's event loop. A pool thread could do nothing for it but wait,
and waking a thread twice costs as much as several tokens. So a task that can begin by itself begins
on the loop; every other one gets a thread, as in the threads pool.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import TaskPool

from threadmill_workers.log_text import describe_error

logger = logging.getLogger("threadmill.worker")

SUCCEEDED = 0


class RunPool(TaskPool):
    """Begins runs on the event loop, and executes other tasks in threads."""

    when_free: Callable[[], None] = staticmethod(lambda: None)
    """Called whenever a slot has become free."""

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[[Any], Any] | None = None,
        accept_callback: Callable[[int, float], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Execute one task; `args` begin with its name, its id and its request."""

        def done(result: Any) -> None:
            if callback is not None:
                callback(result)
            self.when_free()

        begin = getattr(self.app.tasks.get(args[0]), "begin", None)
        if begin is None:
            # Celery would look for the task in the process's current app, which need not be ours.
            in_ours = {**(kwargs or {}), "app": self.app}
            return super().on_apply(target, args, in_ours, done, accept_callback, **options)
        if accept_callback is not None:
            accept_callback(os.getpid(), time.monotonic())
        _begin(begin, args, done)
        return None

    def terminate_job(self, pid: int, signal: str | None = None) -> None:
        """Do nothing: terminating a run's task cancels the run (see `tasks`)."""


def _begin(
    begin: Callable[..., Future[None]], args: tuple[Any, ...], done: Callable[[Any], None]
) -> None:
    begun_at = time.monotonic()
    try:
        future = begin(args[1], *args[2]["args"])
    except Exception as error:  # noqa: BLE001  anybody can send anything
        logger.error("task %s was dropped: it is malformed (%s)", args[1], type(error).__name__)
        done((SUCCEEDED, None, 0.0))
    else:
        future.add_done_callback(lambda ended: _report(ended, args[1], done, begun_at))


def _report(
    ended: Future[None], task_id: str, done: Callable[[Any], None], begun_at: float
) -> None:
    # Celery takes every end for a success; monitors are told how it was by `TaskEvents`.
    if not ended.cancelled() and (error := ended.exception()) is not None:
        logger.error(
            "task %s failed in this worker, and may be sent again: %s",
            task_id,
            describe_error(error),
        )
    done((SUCCEEDED, None, time.monotonic() - begun_at))
