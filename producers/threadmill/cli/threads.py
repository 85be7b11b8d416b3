"""`threadmill threads`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.moments import since_option, until_option
from threadmill.cli.reading import read_store
from threadmill.cli.runs import INCOMPLETE
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import NONE, local_time, short_time

if TYPE_CHECKING:
    from threadmill.inspection.thread_list import ThreadList, ThreadView
    from threadmill_shared.records.list_filters import ThreadFilter
    from threadmill_shared.settings import Settings
    from threadmill_shared.store.store import Store

NO_THREADS = "There are no such threads."
COLUMNS = (
    Column("thread"),
    Column("active"),
    Column("created", rank=2),
    Column("items", rank=3, is_number=True),
    Column("key", rank=1, is_cut=True, goes_if_empty=True),
    Column("metadata", rank=4, is_cut=True, goes_if_empty=True),
    Column("run", rank=5, goes_if_empty=True),
)


@click.command()
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only threads with this in their metadata; THREADMILL_INDEX must name KEY. Can be"
    " repeated.",
)
@since_option("Only threads that were active since: 15m, 2h, 3d, or a date.")
@until_option("Only threads that were active last before.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def threads(
    *,
    metadata: tuple[str, ...],
    since: float | None,
    until: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the threads that were active last.

    The last one comes at the end. `run` is the run that holds the thread.
    """
    from threadmill.inspection.thread_list import read_threads
    from threadmill_shared.records.list_filters import Span, ThreadFilter

    span = Span(*(None if at is None else int(at * 1000) for at in (since, until)))
    wanted = ThreadFilter(dict(map(_pair, metadata)), span)

    async def read(store: Store, settings: Settings) -> ThreadList:
        _check_indexes(wanted, settings)
        return await read_threads(store, wanted, limit)

    found = read_store(read)
    if as_json:
        print_objects(found.threads, empty=NO_THREADS)
    else:
        print_table(_table(found.threads), empty=NO_THREADS)
    if found.is_incomplete:
        click.echo(INCOMPLETE.format("threads", found.why_incomplete), err=True)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE.", param_hint="--metadata")
    return key, value


def _check_indexes(wanted: ThreadFilter, settings: Settings) -> None:
    for key in wanted.metadata:
        if key not in settings.index_keys:
            raise click.ClickException(
                f"Threads have no index for the metadata key {key!r}. Name it in THREADMILL_INDEX,"
                " for workers and for this command."
            )


def _table(found: Sequence[ThreadView]) -> Table:
    rows: list[list[str | Cell]] = [
        [
            one.id,
            Cell(local_time(one.active_at), short=short_time(one.active_at)),
            Cell(local_time(one.created_at), short=short_time(one.created_at)),
            str(one.items),
            one.key or NONE,
            " ".join(f"{name}={value}" for name, value in one.metadata.items()) or NONE,
            one.run_id or NONE,
        ]
        for one in found
    ]
    return Table(COLUMNS, rows)
