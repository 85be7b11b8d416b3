"""How the log of a worker process is set up."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from types import TracebackType
from typing import TextIO

from threadmill_shared.log_text import about
from threadmill_shared.tools.user_traceback import user_traceback
from threadmill_workers.logs.formats import ConsoleFormatter, JsonFormatter
from threadmill_workers.logs.libraries import quiet_libraries

logger = logging.getLogger("threadmill.worker")

VARIABLE = "THREADMILL_LOG_FORMAT"


def logs_json() -> bool:
    """Whether this process logs JSON.

    The environment is asked, and not the settings: that these are wrong must be logged, too.
    """
    return os.environ.get(VARIABLE) == "json"


def formatter(worker: str) -> logging.Formatter:
    """The format of this process's lines; `worker` is its name, `host:pid`."""
    return JsonFormatter(worker) if logs_json() else ConsoleFormatter(worker)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to stderr; a worker works on if nobody reads its log any more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Say nothing: where should it be said?"""


def install_handler(level: str | int, worker: str) -> None:
    """Log to stderr, in the format that is set; what users say is logged on no level.

    Args:
        level: what is logged at least.
        worker: the worker's name, `host:pid`.
    """
    root = logging.getLogger()
    root.handlers[:] = [_make_handler(worker)]
    root.setLevel(level)
    quiet_libraries()
    warnings.showwarning = _log_warning
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def enable_own_loggers() -> None:
    """Undo `disable_existing_loggers`, a default of `logging.config`, for threadmill's loggers."""
    for name, made in logging.root.manager.loggerDict.items():
        if isinstance(made, logging.Logger) and name.partition(".")[0].startswith("threadmill"):
            made.disabled = False


def install_in_script(worker: str) -> None:
    """Log to stderr in the format that is set, unless the script has set up logging itself."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(_make_handler(worker))
        quiet_libraries()


def _make_handler(worker: str) -> logging.Handler:
    handler = _Handler()
    handler.setFormatter(formatter(worker))
    return handler


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001  Python's signature
    line: str | None = None,  # noqa: ARG001
) -> None:
    logging.getLogger("py.warnings").warning(
        "%s: %s (%s:%d)", category.__name__, message, filename, lineno
    )


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    name = ended.thread.name if ended.thread else "of unknown name"
    logger.error(
        "thread %s has ended: %s",
        name,
        ended.exc_type.__name__,
        extra=about(traceback=_frames(ended.exc_value, ended.exc_traceback)),
    )


def _log_unraisable(found: sys.UnraisableHookArgs) -> None:
    logger.error(
        "an error was ignored, since nothing can be told of it: %s",
        found.exc_type.__name__,
        extra=about(traceback=_frames(found.exc_value, found.exc_traceback)),
    )


def _frames(error: BaseException | None, at: TracebackType | None) -> str:
    return "" if error is None else user_traceback(error.with_traceback(at))
