"""`threadmill export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from threadmill.cli.completion import complete_key, complete_thread
from threadmill.cli.store_url import use_store
from threadmill_shared.log_text import counted


@click.command()
@click.option(
    "--thread",
    "thread_id",
    metavar="ID",
    help="Everything that is stored of the thread with this id.",
    shell_complete=complete_thread,
)
@click.option(
    "--key",
    help="Everything that is stored of the thread with this key, your own name for it.",
    shell_complete=complete_key,
)
@click.option(
    "--all", "everything", is_flag=True, help="All threads, and all assistants that were created."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Where to write it.  [default: standard output]",
)
def export(
    *, thread_id: str | None, key: str | None, everything: bool, output: Path | None
) -> None:
    """Export threads, one JSON object of the Assistants API per line; `import` reads the file.

    A thread is exported with everything stored of it: messages, tool calls, runs and steps.
    """
    if (thread_id is not None) + (key is not None) + everything != 1:
        raise click.UsageError("Say what to export: --thread ID, --key KEY or --all.")
    use_store()
    from threadmill import Thread
    from threadmill.transfer import export_file

    threads = None if everything else [Thread(thread_id, key)]
    wrote = export_file(output or sys.stdout, threads)
    click.echo(
        f"exported {counted(wrote.assistants, 'assistant')}, {counted(wrote.threads, 'thread')}, "
        f"{counted(wrote.messages, 'message')}, {counted(wrote.runs, 'run')}",
        err=True,
    )
