"""Which conversation a command continues."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from threadmill.cli.completion import complete_key, complete_thread

if TYPE_CHECKING:
    from threadmill import Thread

C = TypeVar("C", bound=Callable[..., None])


def thread_options(command: C) -> C:
    """Give a command the options --thread and --key."""
    key = click.option(
        "--key",
        help="Continue the thread with this key, your own name for it.",
        shell_complete=complete_key,
    )
    thread = click.option(
        "--thread",
        "thread_id",
        metavar="ID",
        help="Continue the thread with this id.",
        shell_complete=complete_thread,
    )
    return thread(key(command))


def named_thread(thread_id: str | None, key: str | None) -> Thread:
    """The thread that these options name; without them a new one."""
    from threadmill import Thread

    if thread_id is not None and key is not None:
        raise click.UsageError("Give --thread ID or --key KEY, not both.")
    return Thread(thread_id, key)
