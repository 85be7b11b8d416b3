"""`threadmill chat`."""

from __future__ import annotations

import io
import sys

import click

from threadmill.cli.completion import complete_assistant
from threadmill.cli.options import named_thread, thread_options
from threadmill.cli.store_url import use_store


@click.command()
@click.argument("assistant", shell_complete=complete_assistant)
@thread_options
def chat(assistant: str, thread_id: str | None, key: str | None) -> None:
    """Chat with ASSISTANT, line by line; answers stream as the model writes them.

    Ctrl-C stops an answer; Ctrl-D or `exit` leaves. Without a terminal, lines are read from
    standard input. ASSISTANT is named as for `threadmill say`.
    """
    use_store()
    from threadmill import Assistant

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    talking = Assistant.load(assistant)
    talking.default_thread = named_thread(thread_id, key)
    talking.chat()
    if key is None:
        click.secho(f"continue with --thread {talking.default_thread.id}", err=True, dim=True)
