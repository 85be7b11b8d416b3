"""`threadmill flower`."""

from __future__ import annotations

import importlib.util
import os
import sys

import click

from threadmill.cli.store_url import use_store
from threadmill_shared.log_text import install_command


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]...")
def flower(options: tuple[str, ...]) -> None:
    """Start Flower, behind a password.

    It is read-only, and does not show what users say. FLOWER_BASIC_AUTH must be USER:PASSWORD.
    OPTION is any of Flower's own, such as --port=5555 and --address=127.0.0.1; each can also be set
    in the environment, as FLOWER_PORT.
    """
    if importlib.util.find_spec("flower") is None:
        raise click.ClickException(f"Flower is not installed: {install_command('flower')}.")
    use_store()
    command = [sys.executable, "-P", "-m", "threadmill_workers.flower", *options]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606  our own program
