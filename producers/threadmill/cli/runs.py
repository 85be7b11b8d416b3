"""`threadmill runs`."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.completion import complete_assistant, complete_key, complete_thread
from threadmill.cli.moments import since_option, until_option
from threadmill.cli.reading import read_store
from threadmill.cli.tables import (
    Cell,
    Column,
    Table,
    json_option,
    print_objects,
    print_table,
    terminal_width,
)
from threadmill.cli.texts import NONE, duration, local_time, short_duration, short_time

if TYPE_CHECKING:
    from threadmill.inspection.run_list import ListedRun, RunChanges, RunList
    from threadmill_shared.records.list_filters import RunFilter
    from threadmill_shared.settings import Settings
    from threadmill_shared.store.store import Store

STATUSES = (
    *("queued", "in_progress", "requires_action", "cancelling", "cancelled"),
    *("failed", "completed", "incomplete", "expired"),
)
STATUS_COLORS = {
    "completed": "green",
    "failed": "red",
    "expired": "red",
    "incomplete": "yellow",
    "requires_action": "yellow",
    "cancelled": "yellow",
}
NO_RUNS = "There are no such runs."
FOLLOW_SECONDS = 1.0
INCOMPLETE = "There may be more {}: {} (docs/lists.md)."
COLUMNS = (
    Column("run"),
    Column("status"),
    Column("start", rank=1),
    Column("duration", rank=2),
    Column("assistant", is_cut=True),
    Column("tokens", rank=4, is_number=True),
    Column("attempt", rank=5, is_number=True),
    Column("worker", rank=6),
    Column("thread", rank=7),
    Column("error", is_cut=True, goes_if_empty=True),
)
LEAST = {"status": 11, "start": 8, "duration": 8, "assistant": 12, "tokens": 8, "error": 16}
"""Cells of the columns of lines that are printed one after the other, so that they are aligned."""
KNOWN_RANK = 9
"""Of a column in which all runs have what was asked for."""


@click.command()
@click.argument("thread_id", required=False, shell_complete=complete_thread)
@click.option(
    "--key",
    help="Only runs of the thread with this key, your own name for it.",
    shell_complete=complete_key,
)
@click.option(
    "--thread",
    "thread",
    metavar="ID",
    help="Only runs of this thread, as THREAD_ID.",
    shell_complete=complete_thread,
)
@click.option(
    "--status", type=click.Choice(STATUSES), metavar="STATUS", help="Only runs with this status."
)
@click.option(
    "--assistant",
    metavar="NAME",
    help="Only runs of the assistant of this name or id.",
    shell_complete=complete_assistant,
)
@click.option("--error", metavar="NAME", help="Only runs with this error, by its name or code.")
@since_option("Only runs that were created since: 15m, 2h, 3d, or a date.")
@until_option("Only runs that were created before.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--follow", "-f", is_flag=True, help="Then print each change, until Ctrl-C.")
@json_option
def runs(
    *,
    thread_id: str | None,
    key: str | None,
    thread: str | None,
    status: str | None,
    assistant: str | None,
    error: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """List the newest runs of all threads, or of one.

    The oldest of them comes first. Conditions can be combined. Of an incomplete run, the error is
    the reason.
    """
    if sum(one is not None for one in (thread_id, key, thread)) > 1:
        raise click.UsageError("Give only one of THREAD_ID, --thread ID and --key KEY.")
    wanted = _wanted(status, assistant, error, since, until)

    async def read(store: Store, settings: Settings) -> tuple[RunFilter, RunList]:
        from threadmill.inspection.run_list import read_runs

        of_thread = await _of_thread(wanted, thread_id or thread, key, store, settings)
        return of_thread, await read_runs(store, of_thread, limit)

    of_thread, found = read_store(read)
    if found.is_incomplete:
        click.echo(INCOMPLETE.format("runs", found.why_incomplete), err=True)
    if follow:
        _print_lines(found.runs, as_json=as_json, has_titles=True)
        _follow(of_thread, found, as_json=as_json)
    elif as_json:
        print_objects(found.runs, empty=NO_RUNS)
    else:
        known = {name for name, one in (("status", status), ("assistant", assistant)) if one}
        print_table(_table(found.runs, known), empty=NO_RUNS)


def _wanted(
    status: str | None,
    assistant: str | None,
    error: str | None,
    since: float | None,
    until: float | None,
) -> RunFilter:
    from threadmill_shared.records.list_filters import RunFilter, Span
    from threadmill_shared.records.run import Status

    return RunFilter(
        status=Status(status) if status else None,
        assistant=assistant,
        error=error,
        span=Span(_milliseconds(since), _milliseconds(until)),
    )


async def _of_thread(
    wanted: RunFilter, thread_id: str | None, key: str | None, store: Store, settings: Settings
) -> RunFilter:
    """The same filter for the runs of one thread, if one is named.

    Raises:
        ThreadNotFound: there is none with this id.
    """
    from dataclasses import replace

    from threadmill_shared import errors, ids

    if key is not None:
        return replace(wanted, thread=ids.keyed_thread_id(settings.namespace, key))
    if thread_id is None:
        return wanted
    if await store.threads.record(ids.checked_thread_id(thread_id)) is None:
        raise errors.ThreadNotFound(f"There is no thread {thread_id}.")
    return replace(wanted, thread=thread_id)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def _follow(wanted: RunFilter, listed: RunList, *, as_json: bool) -> None:
    """Print each change since the list until the command is interrupted."""

    async def follow(store: Store, _: Settings) -> None:
        from threadmill.inspection.run_list import RunChanges

        changes = RunChanges(store, wanted)
        await changes.begin(listed)
        while True:
            _print_lines(await _patiently(changes), as_json=as_json)

    read_store(follow)


async def _patiently(changes: RunChanges) -> list[ListedRun]:
    """The next changes; a Redis that is away is waited for."""
    import asyncio

    from threadmill_shared.errors import StoreUnavailable

    is_told = False
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        _check_reader()
        try:
            return await changes.next()
        except StoreUnavailable:
            if not is_told:
                click.echo("Redis does not answer; waiting", err=True)
            is_told = True


def _check_reader() -> None:
    """See whether somebody reads the output; without a change, no line would tell.

    Raises:
        BrokenPipeError: nobody does any more.
    """
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if poll.poll(0):
        raise BrokenPipeError


def _print_lines(found: Sequence[ListedRun], *, as_json: bool, has_titles: bool = False) -> None:
    if as_json:
        print_objects(found)
        return
    # Columns that came and went with what is in them would not fit the titles.
    columns = [one._replace(least=LEAST.get(one.title, 0), goes_if_empty=False) for one in COLUMNS]
    table = Table(columns, [_row(one) for one in found])
    for line in table.lines(terminal_width())[0 if has_titles else 1 :]:
        click.echo(line)


def _table(found: Sequence[ListedRun], known: Collection[str] = ()) -> Table:
    """A table of these runs; what is in the columns `known` was asked for, so they go first."""
    columns = [one._replace(rank=KNOWN_RANK) if one.title in known else one for one in COLUMNS]
    return Table(columns, [_row(one) for one in found])


def _row(run: ListedRun) -> list[str | Cell]:
    tokens = run.prompt_tokens + run.completion_tokens
    start, seconds = run.started_at or run.created_at, _seconds(run)
    return [
        run.id,
        Cell(run.status, STATUS_COLORS.get(run.status)),
        Cell(local_time(start), short=short_time(start)),
        Cell(duration(seconds), short=short_duration(seconds)),
        run.assistant,
        str(tokens) if tokens else NONE,
        str(run.attempts),
        run.worker or NONE,
        run.thread_id,
        Cell(run.error_message or run.error or NONE, short=run.error),
    ]


def _seconds(run: ListedRun) -> float | None:
    """How long it took, or takes until now."""
    if run.duration_seconds is not None or run.started_at is None or run.ended_at is not None:
        return run.duration_seconds
    return max(0.0, time.time() - run.started_at)
