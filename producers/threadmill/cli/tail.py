"""`threadmill tail`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from threadmill.cli.store_url import use_store
from threadmill_shared.records.json_lines import json_line

if TYPE_CHECKING:
    from threadmill import Event


@click.command()
@click.argument("run_id")
@click.option(
    "--after", default=0, metavar="N", type=click.IntRange(0), help="Start after event number N."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line: id, event, data.")
def tail(run_id: str, after: int, as_json: bool) -> None:  # noqa: FBT001  click's signature
    """Follow the event log of the run RUN_ID until its end, from any process."""
    use_store()
    from threadmill import Run

    events = Run.load(run_id).events(after=after)
    if as_json:
        for event in events:
            _print_json(event)
        return
    from threadmill.cli.event_lines import EventLines

    lines = EventLines()
    try:
        for event in events:
            lines.show(event)
    finally:
        lines.end()


def _print_json(event: Event) -> None:
    found = {"id": event.id, "event": event.event, "data": event.data}
    sys.stdout.write(json_line(found) + "\n")
    sys.stdout.flush()
