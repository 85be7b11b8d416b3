"""`threadmill worker`."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import click

from threadmill_shared.broker.queues import QUEUE_PATTERN
from threadmill_shared.log_text import counted

if TYPE_CHECKING:
    from threadmill_workers.service import WorkerProcess

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]

_LOG_TEXTS = ("openai", "httpx", "httpx2", "httpcore", "aiohttp", "celery.pool")
"""Loggers that tell what users say, in requests to the provider or in arguments of tasks."""
_LOG_CELERY = ("celery", "kombu", "amqp")


@click.command()
@click.argument("modules", metavar="[MODULE]...", nargs=-1, envvar="THREADMILL_MODULES")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="Runs in flight in this process.  [default: THREADMILL_CONCURRENCY, 100]",
)
@click.option(
    "--queue",
    "queues",
    multiple=True,
    metavar="NAME",
    envvar="THREADMILL_QUEUES",
    help="Take only runs of assistants with this queue; can be repeated.  [default: the common"
    " queue, and those of the modules' assistants]",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS, case_sensitive=False),
    metavar="LEVEL",
    default="INFO",
    show_default=True,
    help="What is logged to stderr: DEBUG, INFO, WARNING or ERROR.",
)
def worker(
    modules: tuple[str, ...], concurrency: int | None, queues: tuple[str, ...], log_level: str
) -> None:
    """Execute runs with the assistants and tools of these modules.

    MODULE.py is searched for in the current folder, then on the Python path. Without MODULE, the
    modules in THREADMILL_MODULES are loaded. SIGTERM or Ctrl-C lets runs in flight continue for
    THREADMILL_DRAIN_SECONDS (25); a second signal hands them over to other workers at once.
    """
    begin_logging(log_level)
    from threadmill_shared.settings import load_settings
    from threadmill_workers import service

    settings = load_settings()
    if concurrency is not None:
        settings = settings.model_copy(update={"concurrency": concurrency})
    service.model_factory(settings)
    _check_queues(queues)
    _import(modules)
    service.run_worker(settings, modules, _announce_ready, queues=queues)


def _check_queues(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(QUEUE_PATTERN, name):
            raise click.BadParameter(
                f"{name!r} is not the queue of an assistant: give its name as in"
                " Assistant(queue=...), without the namespace.",
                param_hint="--queue",
            )


def begin_logging(level: str) -> None:
    """Log to stderr; what users say is logged on no level."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The process ends without flushing; what a tool prints is to be seen, and at once.
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    quiet = _LOG_TEXTS if level == "DEBUG" else (*_LOG_TEXTS, *_LOG_CELERY)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)


def _import(modules: Sequence[str]) -> None:
    """Import the modules, so that an error of their own is shown as such.

    Raises:
        ClickException: a module raised an error; its traceback is printed.
        NotConfigured: a module cannot be found.
    """
    from threadmill_shared.errors import ThreadmillError
    from threadmill_workers import service

    if not modules:
        logging.getLogger("threadmill.worker").warning(
            "no MODULE given: this worker can execute only assistants without tools"
        )
    for module in modules:
        try:
            service.load_catalog([module])
        except ThreadmillError:
            raise
        except (Exception, SystemExit) as error:
            traceback.print_exception(type(error), error, _in_the_module(error.__traceback__))
            raise click.ClickException(
                f"The module {module!r} could not be imported: {type(error).__name__}: {error}"
            ) from error


def _in_the_module(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames that lead to the module's own."""
    ours = {"threadmill", "threadmill_workers", "importlib"}
    at = frames
    while at is not None and _package(at) in ours:
        at = at.tb_next
    return at


def _package(frame: TracebackType) -> str:
    return str(frame.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _announce_ready(process: WorkerProcess) -> None:
    assistants, tools = len(process.catalog.definitions), len(process.catalog.tools)
    words = (
        f"worker {process.identity.name} ready: {counted(assistants, 'assistant')}, "
        f"{counted(tools, 'tool')}, queues {' '.join(process.queues)}"
    )
    with contextlib.suppress(OSError):  # a worker works on when nobody reads its output any more
        click.echo(words)
