"""`threadmill tail`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from threadmill.cli.completion import complete_run
from threadmill.cli.store_url import use_store
from threadmill.cli.tables import json_option, print_objects

if TYPE_CHECKING:
    from threadmill import Event


@click.command()
@click.argument("run_id", shell_complete=complete_run)
@click.option(
    "--after", default=0, metavar="N", type=click.IntRange(0), help="Start after event number N."
)
@json_option
def tail(*, run_id: str, after: int, as_json: bool) -> None:
    """Follow the event log of the run RUN_ID until its end, from any process.

    Each line has the event's number and time. With --json it has `id`, `at`, `event` and `data`: of
    the object that the event is about, only what has changed since the last line about it.
    """
    use_store()
    from threadmill import Run

    events = Run.load(run_id).events(after=after)
    if as_json:
        _print_changes(events)
    else:
        _print_lines(events)


def _print_changes(events: Iterable[Event]) -> None:
    from threadmill.cli.event_changes import EventChanges

    changes = EventChanges()
    for event in events:
        print_objects([changes.object_of(event)])


def _print_lines(events: Iterable[Event]) -> None:
    from threadmill.cli.event_lines import EventLines

    lines = EventLines()
    try:
        for event in events:
            lines.show(event)
    finally:
        lines.end()
