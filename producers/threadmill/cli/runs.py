"""`threadmill runs`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from threadmill.cli.store_url import use_store

if TYPE_CHECKING:
    from rich.table import Table

    from threadmill import Run, Thread

WIDE = 200
"""Columns of a table that goes into a file or a pipe, so that nothing is cut off."""


@click.command()
@click.argument("thread_id", required=False)
@click.option("--key", help="The key of the thread, your own name for it.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
def runs(thread_id: str | None, key: str | None, limit: int) -> None:
    """List the newest runs of the thread THREAD_ID, oldest first."""
    if (thread_id is None) == (key is None):
        raise click.UsageError("Give either THREAD_ID or --key KEY.")
    use_store()
    from rich.console import Console

    from threadmill import Thread

    found = _runs(Thread(thread_id, key), limit)
    if not found:
        click.echo("This thread has no runs.", err=True)
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(_table(found))


def _runs(thread: Thread, limit: int) -> list[Run]:
    found = thread.runs(limit)
    if not found:
        thread.get_messages(limit=1)  # raises if there is no such thread
    return found


def _table(found: Iterable[Run]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("assistant")
    table.add_column("attempt", justify="right")
    table.add_column("worker")
    for run in found:
        cells = (run.assistant_name or "", str(run.attempt), run.worker or "")
        table.add_row(run.id, run.status, *cells)
    return table
