"""`threadmill cancel`."""

from __future__ import annotations

import contextlib

import click

from threadmill.cli.completion import complete_live_run
from threadmill.cli.store_url import use_store
from threadmill.cli.tables import json_option, print_objects

END_SECONDS = 3.0
"""How long to wait for the run's end; after one second it is ended without its worker."""


@click.command()
@click.argument("run_id", shell_complete=complete_live_run)
@json_option
def cancel(*, run_id: str, as_json: bool) -> None:
    """Cancel the run RUN_ID and print its final status.

    A run that has ended does not change.
    """
    use_store()
    from threadmill import Run
    from threadmill.errors import WaitTimeout

    run = Run.load(run_id).cancel()
    if not run.status.is_terminal:
        with contextlib.suppress(WaitTimeout):
            run.wait(END_SECONDS)
    if as_json:
        print_objects([{"id": run.id, "status": run.status}])
    else:
        click.echo(f"{run.id} is {run.status}")
