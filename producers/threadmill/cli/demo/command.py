"""`threadmill demo`: starts what the demo needs, plays it, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module, resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from threadmill.cli import signals

if TYPE_CHECKING:
    from threadmill.cli.subprocesses import ChildProcess

WORKERS = 2
KEPT = ("THREADMILL_MODEL", "THREADMILL_MODEL_API")
"""Settings of the user that the demo respects."""
MODULE = "threadmill.cli.demo.bot"
START_SECONDS = 30.0
GRACE_SECONDS = 5.0
SECONDS_PER_TOKEN = 0.03
"""The stand-in's pace: about that of a real model."""

ANSWERS = {
    "Who are you?": "A stand-in: a small server that streams as a model does. The rest is real: "
    "server, workers, threads, runs and this log."
}
"""What the stand-in answers instead of its default small talk."""


@click.command()
def demo() -> None:
    """Play three conversations on an embedded server and two workers.

    The model is a stand-in, a small local server, unless OPENAI_API_KEY or OPENAI_BASE_URL is set.
    """
    began = time.monotonic()
    with signals.handling(signals.unwind), ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(
            prefix="threadmill-demo-", ignore_cleanup_errors=True
        )
        folder = Path(stack.enter_context(temporary))
        _forget_settings()
        _show("server", stack.enter_context(_server(folder)))
        _show("model", stack.enter_context(_model()))
        _show("workers", stack.enter_context(_workers(folder)))
        _show("ready", f"in {time.monotonic() - began:.1f} s")
        _play()
        _show_next_steps()


def _show(what: str, words: str) -> None:
    click.echo(f"{what:<8} {words}")


def _play() -> None:
    from threadmill.cli.demo import script

    try:
        script.play()
    except AssertionError as error:
        raise click.ClickException(f"The demo failed: {error}") from error


def _show_next_steps() -> None:
    click.echo("\nYours: write an assistant like the one above into bot.py, then run")
    click.echo("  threadmill dev bot            Redis, a worker and Flower in this terminal")
    click.echo("  threadmill say Marvin Hello   in another one, in the same folder")


def _forget_settings() -> None:
    """The demo has its own server; it must not write to one that is in use."""
    for name in list(os.environ):
        if name.startswith("THREADMILL_") and name not in KEPT:
            del os.environ[name]


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    from threadmill.client.current import close_client
    from threadmill.embedded.server import find_program, keep_server

    with keep_server(folder) as url:
        os.environ["THREADMILL_REDIS_URL"] = url
        try:
            yield f"{Path(find_program()).name}, embedded, in a temporary folder"
        finally:
            close_client()


@contextmanager
def _model() -> Iterator[str]:
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        yield _provider()
        return
    from threadmill.errors import NotConfigured

    try:
        from threadmill.testing.standin import StandIn, by_text
    except ModuleNotFoundError as missing:
        raise NotConfigured(str(missing)) from missing
    with StandIn(by_text(ANSWERS), delay=SECONDS_PER_TOKEN) as standin:
        os.environ["OPENAI_BASE_URL"] = standin.base_url
        os.environ["THREADMILL_MODEL"] = "stand-in"
        yield f"a stand-in at {standin.base_url}; for a real one,\n{'':<9}set OPENAI_API_KEY"


def _provider() -> str:
    from threadmill_shared.servers.url import masked
    from threadmill_shared.settings import load_settings

    address = os.environ.get("OPENAI_BASE_URL")
    return f"{load_settings().model} at {masked(address) if address else 'OpenAI'}"


def _show_code() -> None:
    """All the code that a user writes, to read while the workers start."""
    from rich.console import Console
    from rich.syntax import Syntax
    from rich.text import Text

    file = resources.files("threadmill.cli.demo") / "bot.py"
    _, _, code = file.read_text().partition('"""\n\n')
    code = re.sub("  # noqa.*", "", code).strip()
    colored = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(code)
    console = Console()
    console.print()
    for line in colored.split("\n", allow_blank=True):
        console.print(Text("    ") + line if line else "", soft_wrap=True)


@contextmanager
def _workers(folder: Path) -> Iterator[str]:
    from threadmill.cli.subprocesses import ChildProcesses

    command = [sys.executable, "-P", "-m", "threadmill", "worker", MODULE]
    environment = os.environ | {"THREADMILL_DRAIN_SECONDS": "1"}
    with ChildProcesses(GRACE_SECONDS) as children:
        workers = [
            children.start(f"worker {number}", command, environment=environment, folder=folder)
            for number in range(1, WORKERS + 1)
        ]
        _show_code()
        import_module("threadmill.cli.demo.script")  # is slow as well, so it is done meanwhile
        yield " and ".join(_name_when_ready(worker) for worker in workers)


def _name_when_ready(worker: ChildProcess) -> str:
    line = worker.line_with(" ready: ", START_SECONDS)
    if line is None:
        raise click.ClickException(f"{worker.name} did not start:\n{worker.output()}")
    return line.split()[1]
