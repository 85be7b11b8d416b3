"""`threadmill status`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from threadmill.cli.reading import read_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import NONE, duration, shown_text
from threadmill.cli.workers import (
    NO_WORKERS,
    STATE_COLORS,
    print_deaths,
    print_refusal,
    workers_table,
)

if TYPE_CHECKING:
    from threadmill.inspection.fleet import FleetStatus

_NAMED = 3
"""Functions that are named at most."""


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show the fleet at one look.

    That is its runs, approvals, workers, queues and model providers. The look costs little, however
    many runs there are: of many queued or parked ones, only some are read. `~` marks an estimate,
    and `+` a number that may be higher.
    """
    from threadmill.inspection.fleet import read_fleet

    found = read_store(read_fleet)
    if as_json:
        print_objects([found])
        return
    if found.write_refusal:
        print_refusal(found.write_refusal)
    _print_summary(found)
    _print_part(workers_table(list(found.workers)), empty=NO_WORKERS)
    print_deaths(found.deaths)
    _print_part(_queues(found), empty="No queue is consumed, and no run waits in one.")
    if found.broker_error:
        click.echo(
            f"messages in the queues: unknown, the broker cannot be used: {found.broker_error}"
        )
    if found.providers:
        _print_part(_providers(found), empty="")


def _print_summary(found: FleetStatus) -> None:
    runs, approvals = found.runs, found.approvals
    conditions = [one.condition for one in found.workers]
    stopping, silent = conditions.count("stopping"), conditions.count("silent")
    ending = f"{stopping} stopping, " if stopping else ""
    in_line = "" if runs.in_line is None else f"{runs.in_line} in line, "
    lines = {
        "namespace": found.namespace,
        "workers": f"{len(conditions) - stopping - silent} alive, {ending}{silent} silent",
        "slots": f"{found.slots.used} of {found.slots.total}"
        f"{'' if found.slots.is_complete else '+'} used",
        "runs": f"{runs.in_progress} in progress{_awaited(found)}, {runs.queued} queued, {in_line}"
        f"{runs.parked} parked",
        "approvals": f"{approvals.waiting}{'' if approvals.is_complete else '+'} waiting",
    }
    if approvals.oldest_seconds is not None:
        lines["approvals"] += f", the oldest for {duration(approvals.oldest_seconds)}"
    if found.lists_are_incomplete:
        lines["lists"] = "may lack entries until a worker has indexed them (docs/lists.md)"
    for name, text in lines.items():
        click.echo(f"{click.style(f'{name:<10}', bold=True)} {text}")


def _awaited(found: FleetStatus) -> str:
    """How many runs wait within an attempt for a worker that has a function, and which ones."""
    awaited: Counter[str] = Counter()
    for worker in found.workers:
        awaited.update(worker.awaited_functions)
    if not awaited:
        return ""
    names = ", ".join(shown_text(name) for name in sorted(awaited)[:_NAMED])
    more = ", ..." if len(awaited) > _NAMED else ""
    return f" ({awaited.total()} waiting for a worker that has {names}{more})"


def _print_part(table: Table, *, empty: str) -> None:
    click.echo()
    print_table(table, empty=empty)


def _queues(found: FleetStatus) -> Table:
    columns = [
        Column("queue"),
        Column("workers", is_number=True),
        Column("runs", is_number=True),
        Column("oldest"),
        Column("messages", rank=1, is_number=True),
    ]
    about = "" if found.queues_are_exact else "~"
    rows: list[list[str | Cell]] = [
        [
            one.name,
            Cell(str(one.workers), "red" if one.runs and not one.workers else None),
            f"{about if one.runs else ''}{one.runs}",
            duration(one.oldest_seconds),
            NONE if one.messages is None else str(one.messages),
        ]
        for one in found.queues
    ]
    return Table(columns, rows)


def _providers(found: FleetStatus) -> Table:
    columns = [
        Column("provider", is_cut=True),
        Column("state"),
        Column("for"),
        Column("workers", rank=1, is_number=True),
        Column("cause", is_cut=True),
    ]
    rows: list[list[str | Cell]] = [
        [
            f"{one.host or NONE} ({one.api})",
            Cell(one.state, STATE_COLORS.get(one.state)),
            duration(max(0.0, found.now - one.since) if one.since else None),
            f"{one.failing_workers} of {one.workers}" if one.failing_workers else str(one.workers),
            (one.cause or "") + one.age_of_failure(found.now),
        ]
        for one in found.providers
    ]
    return Table(columns, rows)
