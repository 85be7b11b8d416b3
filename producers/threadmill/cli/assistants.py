"""`threadmill assistants`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from threadmill.cli.reading import read_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import NONE, local_time

if TYPE_CHECKING:
    from threadmill.inspection.assistants import AssistantView

NO_ASSISTANTS = "There are no assistants."


@click.command()
@json_option
def assistants(*, as_json: bool) -> None:
    """List the assistants, and who publishes them.

    First those of workers' modules, then those that were created. `stale`: no live worker publishes
    it any more, so nobody has its tools. `differs`: a worker's module defines it otherwise than the
    worker that was started last. `unreadable`: a newer release has published it.
    """
    from threadmill.inspection.assistants import read_assistants

    found = read_store(lambda store, _: read_assistants(store))
    if as_json:
        print_objects(found, empty=NO_ASSISTANTS)
        return
    columns = [
        Column("assistant", is_cut=True),
        Column("state"),
        Column("version", is_number=True),
        Column("model", rank=1, is_cut=True),
        Column("tools", rank=4, is_number=True),
        Column("queue", rank=5),
        Column("published", rank=3),
        Column("id", rank=6),
        Column("workers", rank=2, is_cut=True),
    ]
    print_table(Table(columns, [_row(one) for one in found]), empty=NO_ASSISTANTS)


def _row(one: AssistantView) -> list[str | Cell]:
    return [
        one.name,
        _state(one),
        NONE if one.version is None else str(one.version),
        one.model,
        str(one.tools),
        one.queue or NONE,
        local_time(one.published_at),
        one.id,
        ", ".join(one.workers) or NONE,
    ]


def _state(one: AssistantView) -> Cell:
    if one.origin == "created":
        return Cell("created")
    if not one.is_readable:
        return Cell("unreadable", "yellow")
    if one.is_stale:
        return Cell("stale", "yellow")
    if one.differing:
        return Cell("differs", "yellow")
    return Cell("published", "green") if one.workers else Cell("unknown")
