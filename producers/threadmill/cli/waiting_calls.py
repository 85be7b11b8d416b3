"""`threadmill approvals`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from threadmill.cli.call_names import short_call_id
from threadmill.cli.reading import read_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import local_time, short_time

if TYPE_CHECKING:
    from threadmill.inspection.approvals import WaitingCall

NO_APPROVALS = "No call waits for an approval."


@click.command()
@click.option(
    "--arguments",
    "with_arguments",
    is_flag=True,
    help="Show the calls' arguments, which may contain what users have said.",
)
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def approvals(*, with_arguments: bool, limit: int, as_json: bool) -> None:
    """List the calls that wait for an approval.

    Those of all threads, the one that has waited the longest first. `threadmill approve RUN_ID
    CALL_ID` approves one, `threadmill reject` rejects it. Of CALL_ID, what follows the
    run's own digits is enough: 1_0.
    """
    from threadmill.inspection.approvals import read_approvals

    found = read_store(
        lambda store, _: read_approvals(store, limit=limit, with_arguments=with_arguments)
    )
    if as_json:
        print_objects(found, empty=NO_APPROVALS)
        return
    print_table(_table(found, with_arguments=with_arguments), empty=NO_APPROVALS)


def _table(found: list[WaitingCall], *, with_arguments: bool) -> Table:
    columns = [
        Column("run"),
        Column("tool", is_cut=True),
        Column("since", rank=1),
        Column("expires", rank=2, goes_if_empty=True),
        Column("call"),
        Column("assistant", is_cut=True),
        Column("thread", rank=4),
    ]
    rows: list[list[str | Cell]] = [
        [
            one.run_id,
            one.tool,
            Cell(local_time(one.since), short=short_time(one.since)),
            Cell(local_time(one.expires_at), short=short_time(one.expires_at)),
            Cell(one.call_id, short=short_call_id(one.run_id, one.call_id)),
            one.assistant,
            one.thread_id,
        ]
        for one in found
    ]
    if with_arguments:
        columns.append(Column("arguments", is_cut=True))
        rows = [[*row, one.arguments or ""] for row, one in zip(rows, found, strict=True)]
    return Table(columns, rows)
