"""`threadmill runs`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from threadmill.cli.store_url import use_store
from threadmill.cli.tables import Column, Table, json_option, print_objects, print_table

if TYPE_CHECKING:
    from threadmill import Run, Thread


@click.command()
@click.argument("thread_id", required=False)
@click.option("--key", help="The key of the thread, your own name for it.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@json_option
def runs(*, thread_id: str | None, key: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs of the thread THREAD_ID, oldest first."""
    if (thread_id is None) == (key is None):
        raise click.UsageError("Give either THREAD_ID or --key KEY.")
    use_store()
    from threadmill import Thread

    found = _runs(Thread(thread_id, key), limit)
    if as_json:
        print_objects(map(_object, found))
        return
    print_table(_table(found), empty="This thread has no runs.")


def _runs(thread: Thread, limit: int) -> list[Run]:
    found = thread.runs(limit)
    if not found:
        thread.get_messages(limit=1)  # raises if there is no such thread
    return found


def _object(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "thread_id": run.thread_id,
        "status": run.status,
        "assistant": run.assistant_name,
        "attempt": run.attempt,
        "worker": run.worker,
    }


def _table(found: Iterable[Run]) -> Table:
    columns = [
        Column("run"),
        Column("status"),
        Column("assistant", is_cut=True),
        Column("attempt", rank=1, is_number=True),
        Column("worker", rank=2),
    ]
    rows = [
        [run.id, run.status, run.assistant_name or "", str(run.attempt), run.worker or ""]
        for run in found
    ]
    return Table(columns, rows)
