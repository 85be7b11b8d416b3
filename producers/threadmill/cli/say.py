"""`threadmill say`."""

from __future__ import annotations

import json
from typing import Any

import click

from threadmill.cli.connection import use_store


@click.command()
@click.argument("assistant")
@click.argument("message")
@click.option("--thread", "thread_id", metavar="ID", help="Go on with this thread.")
@click.option("--key", help="Go on with the thread that you know by this name of your own.")
@click.option(
    "--context",
    metavar="JSON",
    help="An object that tools and the instructions' template see, and the model does not.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop waiting after so long; the run goes on.",
)
def say(
    assistant: str,
    message: str,
    thread_id: str | None,
    key: str | None,
    context: str | None,
    timeout: float | None,
) -> None:
    """Say MESSAGE to ASSISTANT, and print the answer as it is made.

    ASSISTANT is the name of an assistant in a module that a worker has loaded, or the id of one
    that was created. Without --thread and --key a new thread is begun.
    """
    if thread_id is not None and key is not None:
        raise click.UsageError("Name the thread by --thread ID or by --key KEY, not by both.")
    given = None if context is None else _object(context)
    use_store()
    from threadmill import Assistant, Thread

    thread = Thread(thread_id, key)
    run = Assistant.load(assistant).say(message, thread=thread, timeout=timeout, context=given)
    if run.status == "incomplete":
        raise click.ClickException(f"{run.id} is incomplete: {run.incomplete_reason}")
    if run.status != "completed":
        click.echo(f"{run.id} is {run.status}", err=True)
    if key is None:
        click.secho(f"{run.id}, go on with --thread {thread.id}", err=True, dim=True)


def _object(context: str) -> dict[str, Any]:
    try:
        found = json.loads(context)
    except ValueError as error:
        raise click.BadParameter(f"It is not JSON: {error}.", param_hint="--context") from None
    if not isinstance(found, dict):
        raise click.BadParameter("It is a JSON object: {...}.", param_hint="--context")
    return found
