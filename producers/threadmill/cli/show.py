"""`threadmill show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from threadmill.cli.completion import complete_run
from threadmill.cli.reading import read_store
from threadmill.cli.tables import Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import duration, local_time, shown_text

if TYPE_CHECKING:
    from threadmill.inspection.run_details import CallView, RunDetails
    from threadmill.inspection.standstill import Standstill


@click.command()
@click.argument("run_id", shell_complete=complete_run)
@json_option
def show(*, run_id: str, as_json: bool) -> None:
    """Show the run RUN_ID, and why it does not move.

    That is its state, attempts, times, tokens, calls and error. If it waits, a sentence says for
    whom or what, and another one what can be done.
    """
    from threadmill.inspection.run_details import read_run_details

    found = read_store(lambda store, _: read_run_details(store, run_id))
    if as_json:
        print_objects([found])
        return
    for name, text in _lines(found):
        click.echo(f"{click.style(f'{name:<10}', bold=True)} {shown_text(text)}")
    if found.calls:
        click.echo()
        print_table(_calls(found), empty="")
    if found.standstill:
        click.echo()
        _print_standstill(found.standstill)


def _lines(run: RunDetails) -> Iterator[tuple[str, str]]:
    version = "" if run.assistant_version is None else f", version {run.assistant_version}"
    yield "run", run.id
    yield "status", run.status + (f" ({run.incomplete_reason})" if run.incomplete_reason else "")
    yield "thread", run.thread_id
    yield "assistant", f"{run.assistant}{version}, model {run.model}"
    yield "queue", run.queue
    if run.parent:
        yield "parent", run.parent
    if run.ahead:
        yield "ahead", ", ".join(run.ahead)
    if run.attempts:
        yield "attempts", f"{run.attempts}, the last one by worker {run.worker}"
    yield from _times(run)
    yield "turns", f"{run.turns}, {run.prompt_tokens} tokens read, {run.completion_tokens} written"
    if run.error:
        yield "error", f"{run.error.code}: {run.error.message}"


def _times(run: RunDetails) -> Iterator[tuple[str, str]]:
    yield "created", local_time(run.created_at)
    if run.started_at:
        until = "" if run.ended_at else " until now"
        yield "started", f"{local_time(run.started_at)}, {duration(run.duration_seconds)}{until}"
    if run.ended_at:
        yield "ended", local_time(run.ended_at)
    if run.deadline:
        yield "deadline", local_time(run.deadline)


def _calls(run: RunDetails) -> Table:
    columns = [
        Column("tool", is_cut=True),
        Column("state", is_cut=True),
        Column("since"),
        Column("call", rank=1),
    ]
    rows = [[one.tool, _state(one), local_time(one.created_at), one.id] for one in run.calls]
    return Table(columns, rows)


def _state(call: CallView) -> str:
    """How far a call is, or in which way it failed."""
    failure = f": {shown_text(call.failure)}" if call.failure else ""
    kept = f"; still in a thread of {call.keeper}" if call.keeper else ""
    return f"{call.state}{failure}{kept}"


def _print_standstill(found: Standstill) -> None:
    since = f" (for {duration(found.seconds)})" if found.seconds is not None else ""
    click.echo(f"{click.style('why', bold=True)}   {shown_text(found.reason)}{since}")
    click.echo(f"{click.style('cure', bold=True)}  {shown_text(found.cure)}")
