"""`threadmill health`."""

from __future__ import annotations

import click

from threadmill.cli.reading import read_store
from threadmill.cli.tables import json_option, print_objects


@click.command()
@json_option
def health(*, as_json: bool) -> None:
    """Check that a worker of this host has a lease.

    For a container's health check: exits with 0 if so, else with 1 and a line that says what is
    wrong.
    """
    from threadmill.inspection.workers import read_workers
    from threadmill_shared.records.workers import host_name

    found = read_store(lambda store, _: read_workers(store))
    here = [one for one in found if one.worker.rpartition(":")[0] == host_name()]
    alive = [one for one in here if one.condition != "silent"]
    if as_json:
        print_objects([{"healthy": bool(alive), "workers": [one.worker for one in alive]}])
    if not alive:
        raise click.ClickException("No worker of this host has a lease.")
    if not as_json:
        click.echo(f"healthy: {', '.join(one.worker for one in alive)}")
