"""The command `threadmill`. Each subcommand is a module that imports what it needs when it runs."""

from __future__ import annotations

import gc
import io
import os
import sys
from typing import NoReturn

import click

from threadmill.cli.commands import threadmill
from threadmill_shared.errors import ThreadmillError

__all__ = ["main"]

_THRESHOLDS = (20_000, 20, 20)
"""A command imports and ends: there is hardly any garbage to look for."""
INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended: 128 and the number of SIGINT."""


def main() -> NoReturn:
    """Run the command line and end the process.

    Exit codes: 0 done, 1 could not be done, 2 used wrongly, 130 ended by Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A model's text may not fit the terminal's encoding.
            stream.reconfigure(errors="replace")
    gc.set_threshold(*_THRESHOLDS)
    code = _run()
    # Python would look at every object twice. A worker, which has users' objects, has ended before.
    gc.freeze()
    sys.exit(code)


def _run() -> int:
    try:
        # https://no-color.org; None: if the output is a terminal.
        color = False if os.environ.get("NO_COLOR") else None
        code = threadmill.main(prog_name="threadmill", standalone_mode=False, color=color)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except ThreadmillError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except BrokenPipeError:
        # The reader of the output has exited. What is still buffered would be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if not isinstance(error, _unforeseen()):
            raise
        # A traceback would not help the user of a command.
        click.echo(f"Error: {_words(error)}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _words(error: Exception) -> str:
    """What an error says; one of Redis in words of ours, since the client's quote commands."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, TypeError | ValueError):
        return said
    from threadmill.inspection.doctor.reachability import cure_of
    from threadmill_shared.servers.failures import find_failure
    from threadmill_shared.servers.url import STORE

    failure = find_failure(error)
    if failure.kind == "other":
        return said
    return f"Redis cannot be used: {failure.cause}. {cure_of(failure, STORE)}"


def _unforeseen() -> tuple[type[Exception], ...]:
    """Errors that are told by their name; redis-py is imported only by commands that need it."""
    redis = sys.modules.get("redis.exceptions")
    return (TypeError, ValueError, *([redis.RedisError] if redis else []))
