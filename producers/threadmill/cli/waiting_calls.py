"""`threadmill approvals`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.reading import read_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import local_time, short_time

if TYPE_CHECKING:
    from threadmill.inspection.approvals import WaitingCall

SHORTEST_CALL_ID = 12
"""Letters of a call's id that are shown, or have to be given, at least."""
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
    CALL_ID` approves one, `threadmill reject` rejects it; the first 12 letters of CALL_ID are
    enough if no other call of the run that waits begins so.
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
    beginnings = _beginnings(found)
    rows: list[list[str | Cell]] = [
        [
            one.run_id,
            one.tool,
            Cell(local_time(one.since), short=short_time(one.since)),
            Cell(local_time(one.expires_at), short=short_time(one.expires_at)),
            Cell(one.call_id, short=beginnings[one.run_id, one.call_id]),
            one.assistant,
            one.thread_id,
        ]
        for one in found
    ]
    if with_arguments:
        columns.append(Column("arguments", is_cut=True))
        rows = [[*row, one.arguments or ""] for row, one in zip(rows, found, strict=True)]
    return Table(columns, rows)


def _beginnings(found: Sequence[WaitingCall]) -> dict[tuple[str, str], str]:
    """How much of each call's id tells it from the other waiting calls of its run."""
    of_run: dict[str, list[str]] = {}
    for one in found:
        of_run.setdefault(one.run_id, []).append(one.call_id)
    return {
        (run_id, id): _beginning(id, [other for other in ids if other != id])
        for run_id, ids in of_run.items()
        for id in ids
    }


def _beginning(id: str, others: Sequence[str]) -> str:
    """The shortest one, of a certain length at least, that none of the others has."""
    length = SHORTEST_CALL_ID
    while length < len(id) and any(other.startswith(id[:length]) for other in others):
        length += 1
    return id[:length]
