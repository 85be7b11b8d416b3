"""`threadmill import`."""

from __future__ import annotations

from pathlib import Path

import click

from threadmill.cli.connection import use_store
from threadmill_shared.counts import counted


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file, and write nothing.")
def import_(file: Path, *, dry_run: bool) -> None:
    """Import the assistants, threads and messages of FILE.

    It has one JSON object of the Assistants API a line. What is there already stays as it is, so an
    import can be repeated. A thread's old id becomes its key: go on with --key thread_abc123.
    """
    if not dry_run:
        use_store()
    from threadmill.moving import import_file

    found = import_file(file, dry_run=dry_run)
    for left_out in found.left_out:
        click.echo(f"not kept of {left_out}", err=True)
    if found.skipped:
        click.echo(f"skipped {counted(found.skipped, 'run or step', 'runs and steps')}", err=True)
    click.echo(
        f"{counted(found.assistants, 'assistant')}, {counted(found.threads, 'thread')}, "
        f"{counted(found.messages, 'message')}: "
        + ("nothing was written" if dry_run else _new(found.new_assistants, found.new_messages))
    )


def _new(assistants: int, messages: int) -> str:
    return f"{counted(assistants, 'assistant')} and {counted(messages, 'message')} were new"
