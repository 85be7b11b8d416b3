"""`threadmill dev`."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from threadmill.cli import signals
from threadmill_shared.log_text import install_command

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

DRAIN_SECONDS = "2"
"""How long runs continue after Ctrl-C, unless THREADMILL_DRAIN_SECONDS is set."""
GRACE_SECONDS = 6.0
"""How long a worker may take after its drain."""
START_SECONDS = 30.0
FLOWER_PORT = 5555


@click.command()
@click.argument("modules", metavar="[MODULE]...", nargs=-1, envvar="THREADMILL_MODULES")
def dev(modules: tuple[str, ...]) -> None:
    """Run Redis, a worker and Flower in one terminal.

    Redis is the server at THREADMILL_REDIS_URL, or an embedded one with its data in
    ./.threadmill/; Flower runs if it is installed. Ctrl-C ends them all.
    """
    from threadmill.cli.subprocesses import ChildProcesses
    from threadmill_shared.records.workers import REPLACE_CODE
    from threadmill_shared.settings import load_settings

    os.environ.setdefault("THREADMILL_DRAIN_SECONDS", DRAIN_SECONDS)
    grace = load_settings().drain_seconds + GRACE_SECONDS
    show = _Lines().show
    with (
        signals.handling(signals.unwind),
        _redis(show),
        ChildProcesses(grace) as children,
    ):
        start_worker = partial(children.start, "worker", _worker(modules), partial(show, "worker"))
        worker = start_worker()
        # Flower asks the workers about themselves when it starts, and complains if there is none.
        if worker.line_with(" queues ", START_SECONDS) and (flower := _flower(show)):
            children.start("flower", flower, partial(show, "flower"))
        child, code = children.first_to_end()
        show(child.name, f"ended with exit code {code}")
        while child.name == "worker" and code == REPLACE_CODE:
            start_worker()
            child, code = children.first_to_end()
            show(child.name, f"ended with exit code {code}")
    click.get_current_context().exit(code or 1)


class _Lines:
    """Prints lines of several processes, each with the process's name in front, or as JSON."""

    _COLORS: ClassVar = {"redis": "red", "worker": "green", "flower": "magenta"}

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Console = Console(highlight=False)
        self._lock = threading.Lock()
        self._is_read = True

    def show(self, name: str, line: str) -> None:
        """Print one line."""
        from rich.text import Text

        from threadmill_workers import service

        if service.logs_json():
            words = Text(line if _is_object(line) else service.as_log_line(line, process=name))
        else:
            words = self._with_name(name, line)
        with self._lock:
            if self._is_read:
                self._print(words)

    def _with_name(self, name: str, line: str) -> Text:
        from rich.text import Text

        return Text.assemble((f"{name:<6} | ", self._COLORS.get(name, "")), Text.from_ansi(line))

    def _print(self, words: Text) -> None:
        try:
            self._console.print(words, soft_wrap=True)
        except (OSError, SystemExit):  # rich exits when nobody reads any more, but from this thread
            self._is_read = False
            os.kill(os.getpid(), signal.SIGTERM)


def _is_object(line: str) -> bool:
    """Whether the line is JSON already, as those of the worker are."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@contextmanager
def _redis(show: Callable[[str, str], None]) -> Iterator[None]:
    """Redis for this process and its children: the one that is set, or the folder's own."""
    from threadmill_shared.servers.url import masked
    from threadmill_shared.settings import load_settings

    settings = load_settings()
    if settings.redis_url is not None or not settings.embedded:
        show("redis", masked(settings.store_url()))
        yield
        return
    from threadmill.embedded.server import FOLDER, keep_server

    with keep_server(Path.cwd() / FOLDER) as url:
        os.environ["THREADMILL_REDIS_URL"] = url
        show("redis", f"embedded server, data in ./{FOLDER}/; for other terminals and services:")
        show("redis", f"  export THREADMILL_REDIS_URL={url}")
        yield


def _worker(modules: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-P", "-m", "threadmill", "worker", *modules]


def _flower(show: Callable[[str, str], None]) -> list[str] | None:
    if importlib.util.find_spec("flower") is None:
        show("flower", f"is not installed: {install_command('flower')}")
        return None
    port = os.environ.setdefault("FLOWER_PORT", str(_free_port(FLOWER_PORT)))
    if "FLOWER_BASIC_AUTH" in os.environ:
        login = "with the login of FLOWER_BASIC_AUTH"
    else:
        password = secrets.token_urlsafe(9)
        os.environ["FLOWER_BASIC_AUTH"] = f"dev:{password}"
        login = f"user dev, password {password} (of this run; FLOWER_BASIC_AUTH sets another)"
    show("flower", f"http://127.0.0.1:{port}  {login}")
    return [sys.executable, "-P", "-m", "threadmill_workers.flower"]


def _free_port(wanted: int) -> int:
    """The wanted port, or another one if that is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return _free_port(0)
        port: int = probe.getsockname()[1]
        return port
