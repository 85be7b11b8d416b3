"""`threadmill say`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from threadmill.cli.completion import complete_assistant
from threadmill.cli.options import named_thread, thread_options
from threadmill.cli.store_url import use_store
from threadmill.cli.tables import json_option, print_objects

if TYPE_CHECKING:
    from threadmill import Run


@click.command()
@click.argument("assistant", shell_complete=complete_assistant)
@click.argument("message")
@thread_options
@click.option(
    "--context",
    metavar="JSON",
    help="An object for tools and the instructions' template; the model does not see it.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop waiting after this time; the run continues.",
)
@json_option
def say(
    *,
    assistant: str,
    message: str,
    thread_id: str | None,
    key: str | None,
    context: str | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Send MESSAGE to ASSISTANT and stream the answer.

    ASSISTANT is the name of an assistant in a module that a worker has loaded, or the id of one
    that was created. Without --thread or --key, the command starts a new thread. With --json, the
    whole answer comes at the end, as `text`.
    """
    thread = named_thread(thread_id, key)
    given = None if context is None else _object(context)
    use_store()
    from threadmill import Assistant

    ai = Assistant.load(assistant)
    if as_json:
        run = ai.enqueue(message, thread=thread, context=given).wait(timeout)
        print_objects([_answer(run)])
    else:
        run = ai.say(message, thread=thread, timeout=timeout, context=given)
    if run.status == "incomplete":
        raise click.ClickException(f"{run.id} is incomplete: {run.incomplete_reason}")
    if run.status != "completed":
        click.echo(f"{run.id} is {run.status}", err=True)
    if key is None and not as_json:
        click.secho(f"{run.id}, continue with --thread {thread.id}", err=True, dim=True)


def _answer(run: Run) -> dict[str, Any]:
    error = run.last_error
    return {
        "id": run.id,
        "thread_id": run.thread_id,
        "status": run.status,
        "text": run.text,
        "error": error.message if error else run.incomplete_reason,
    }


def _object(context: str) -> dict[str, Any]:
    try:
        found = json.loads(context)
    except ValueError as error:
        raise click.BadParameter(f"It is not JSON: {error}.", param_hint="--context") from None
    if not isinstance(found, dict):
        raise click.BadParameter("It must be a JSON object: {...}.", param_hint="--context")
    return found
