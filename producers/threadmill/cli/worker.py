"""`threadmill worker`."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from threadmill_shared.log_text import counted

if TYPE_CHECKING:
    from threadmill_shared.errors import ThreadmillError
    from threadmill_workers.service import WorkerProcess

logger = logging.getLogger("threadmill.worker")

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


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
@click.option(
    "--check",
    is_flag=True,
    help="Start only if the model provider answers and accepts the key; asking costs nothing.",
)
def worker(
    modules: tuple[str, ...],
    concurrency: int | None,
    queues: tuple[str, ...],
    log_level: str,
    *,
    check: bool,
) -> None:
    """Execute runs with the assistants and tools of these modules.

    MODULE.py is searched for in the current folder, then on the Python path. Without MODULE, the
    modules in THREADMILL_MODULES are loaded. SIGTERM or Ctrl-C lets runs in flight continue for
    THREADMILL_DRAIN_SECONDS (25); a second signal hands them over to other workers at once.
    """
    from threadmill_workers import service

    _write_lines_at_once()
    service.begin_logging(log_level)
    with _errors_in_the_log():
        _work(modules, concurrency, queues, asks_provider=check)


def _work(
    modules: Sequence[str],
    concurrency: int | None,
    queues: Sequence[str],
    *,
    asks_provider: bool,
) -> None:
    from threadmill_shared.settings import load_settings
    from threadmill_workers import service

    settings = load_settings()
    if concurrency is not None:
        settings = settings.model_copy(update={"concurrency": concurrency})
    service.model_factory(settings)
    _check_queues(queues)
    if asks_provider:
        _check_provider(settings.model_api)
    _import(modules)
    service.run_worker(settings, modules, _announce_ready, queues=queues)


@contextlib.contextmanager
def _errors_in_the_log() -> Iterator[None]:
    """If the log is JSON, an error that ends the command is one of its lines."""
    from threadmill_shared.errors import ThreadmillError
    from threadmill_workers import service

    if not service.logs_json():
        yield
        return
    try:
        yield
    except (ThreadmillError, click.ClickException) as error:
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        logger.critical("this worker cannot start: %s", words)
    except Exception as error:  # noqa: BLE001  a traceback would not be JSON
        logger.critical("this worker has failed: %s", service.describe_error(error))
    else:
        return
    click.get_current_context().exit(1)


def _check_provider(api: str) -> None:
    """Ask the provider first; `api` is `responses` or `chat`.

    Raises:
        ClickException: it cannot be used; says why, and what helps.
    """
    import asyncio

    from threadmill.inspection.doctor.provider import check_provider
    from threadmill_workers import service

    found = check_provider(asyncio.run(service.ask_provider(api)))
    if found.state == "error":
        raise click.ClickException(f"The model provider {found.cause}. {found.cure}")
    logger.info("the model provider %s", found.cause)


def _check_queues(names: Sequence[str]) -> None:
    from threadmill_shared.records.texts import check_queue_name

    for name in names:
        try:
            check_queue_name(name)
        except ValueError as error:
            raise click.BadParameter(
                f"{name!r} is not the queue of an assistant ({error}): give its name as in"
                " Assistant(queue=...), without the namespace.",
                param_hint="--queue",
            ) from None


def _write_lines_at_once() -> None:
    """The process ends without flushing; what a tool prints is to be seen, and at once."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)


def _import(modules: Sequence[str]) -> None:
    """Import the modules, so that an error of their own is shown as such.

    Raises:
        ClickException: a module raised an error; its traceback is printed.
        NotConfigured: a module cannot be found.
    """
    from threadmill_shared.errors import ThreadmillError

    for module in modules:
        try:
            _load(module)
        except ThreadmillError as error:
            _show_place(error)
            raise
        except (Exception, SystemExit) as error:
            _show_traceback(error)
            raise click.ClickException(
                f"The module {module!r} could not be imported: {type(error).__name__}: {error}"
            ) from error


def _load(module: str) -> None:
    from threadmill_workers import service

    try:
        service.load_catalog([module], warns=False)
    finally:
        service.keep_logging()


def _show_place(error: ThreadmillError) -> None:
    """Show the line of the module that made a mistake; the error itself says what and the cure."""
    from threadmill_shared.log_text import about
    from threadmill_workers import service

    frames = service.format_frames(traceback.walk_tb(error.__traceback__))
    if not frames:  # the module was not found
        return
    if service.logs_json():
        place = "\n".join([*frames, type(error).__name__])
        logger.critical("a module could not be imported", extra=about(traceback=place))
    else:
        click.echo("\n".join(frames), err=True)


def _show_traceback(error: BaseException) -> None:
    """Show the part of the traceback that is the module's own."""
    from threadmill_shared.log_text import about
    from threadmill_workers import service

    at = error.__traceback__
    while at is not None and service.is_ours(at.tb_frame):
        at = at.tb_next
    if service.logs_json():
        text = "".join(traceback.format_exception(type(error), error, at, chain=False))
        logger.critical("a module could not be imported", extra=about(traceback=text))
    else:
        traceback.print_exception(type(error), error, at, chain=False)


def _announce_ready(process: WorkerProcess) -> None:
    from threadmill_workers import service

    assistants, tools = len(process.catalog.definitions), len(process.catalog.tools)
    if not assistants:
        _warn_of_no_assistant(tools, has_modules=bool(process.catalog.modules))
    state = "ready" if assistants else "has no assistant, and waits for runs of others"
    words = (
        f"worker {process.identity.name} {state}: {counted(assistants, 'assistant')}, "
        f"{counted(tools, 'tool')}, queues {' '.join(process.queues)}"
    )
    with contextlib.suppress(OSError):  # a worker works on when nobody reads its output any more
        click.echo(service.as_log_line(words) if service.logs_json() else words)


def _warn_of_no_assistant(tools: int, *, has_modules: bool) -> None:
    logger.warning(
        "this worker has no assistant (%s); it executes only runs of assistants that were created, "
        "or that other workers publish, and that need %s",
        "its modules define none" if has_modules else "no MODULE was given",
        f"no tools but its {tools}" if tools else "no tools",
    )
