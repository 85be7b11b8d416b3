"""`threadmill workers` and `threadmill tools`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.reading import read_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill.cli.texts import NONE, duration, local_time

if TYPE_CHECKING:
    from threadmill.inspection.workers import WorkerView
    from threadmill.inspection.write_refusal import WriteRefusal
    from threadmill_shared.records.worker_death import WorkerDeath
    from threadmill_shared.records.worker_state import ToolThreadUse
    from threadmill_shared.settings import Settings
    from threadmill_shared.store.store import Store

NO_WORKERS = "No worker is registered. Start one: threadmill worker MODULE"
NO_TOOLS = "No worker has a tool."
CONDITION_COLORS = {"alive": "green", "blocked": "red", "stopping": "yellow", "silent": "red"}
STATE_COLORS = {"answering": "green", "failing": "red"}


@click.command()
@json_option
def workers(*, as_json: bool) -> None:
    """List the workers, and what they do.

    `blocked`: its event loop does not answer. `stopping`: it was told to end, continues its runs,
    and takes no others. `silent`: it has no lease, and other workers are
    about to declare it dead. Threads that execute tools are shown as busy/limit, with those whose
    call was abandoned as +N. A worker of an older release does not say what it does (-).

    Those that were declared dead in the last 10 minutes follow, with their runs, which were
    reassigned. With --json they are in `threadmill status`.
    """
    found, deaths, refusal = read_store(_read_all)
    if as_json:
        print_objects(found, empty=NO_WORKERS)
        return
    if refusal is not None:
        print_refusal(refusal)
    print_table(workers_table(found), empty=NO_WORKERS)
    print_deaths(deaths)


@click.command()
@json_option
def tools(*, as_json: bool) -> None:
    """List the tools of the workers, and their versions.

    A version is a digest of the tool's name and the schema of its arguments. A run's call is
    executed only by a worker with the version with which the run was enqueued. Versions that differ
    between workers are marked.
    """
    from threadmill.inspection.tools import tool_versions

    found = tool_versions(_read())
    if as_json:
        print_objects(found, empty=NO_TOOLS)
        return
    columns = [
        Column("tool", is_cut=True),
        Column("version"),
        Column("differs"),
        Column("workers", is_cut=True),
    ]
    rows = [
        (
            one.identity,
            one.digest,
            Cell("differs", "yellow") if one.differs else "",
            ", ".join(one.workers),
        )
        for one in found
    ]
    print_table(Table(columns, rows), empty=NO_TOOLS)


def _read() -> list[WorkerView]:
    from threadmill.inspection.workers import read_workers

    return read_store(lambda store, _: read_workers(store))


def workers_table(found: list[WorkerView]) -> Table:
    """The table of these workers."""
    columns = [
        Column("worker"),
        Column("state"),
        Column("runs", is_number=True),
        Column("threads", rank=3, is_number=True),
        Column("up", rank=2),
        Column("release", rank=4),
        Column("provider", rank=1),
        Column("modules", rank=5, is_cut=True),
        Column("queues", rank=6, is_cut=True),
    ]
    return Table(columns, [_row(one) for one in found])


def print_refusal(found: WriteRefusal) -> None:
    """Say above other tables that Redis refuses writes, and what helps."""
    click.echo(click.style(f"{found.effect}; what workers say of themselves may be old", "red"))
    click.echo(f"{click.style('cure', bold=True)}  {found.cure}\n")


def print_deaths(deaths: Sequence[WorkerDeath]) -> None:
    """Print the workers that have died, if there are any, below other tables."""
    if not deaths:
        return
    columns = [
        Column("died lately", is_cut=True),
        Column("at"),
        Column("runs", is_number=True),
        Column("why", is_cut=True),
    ]
    rows = [
        (one.name, local_time(one.at), str(one.runs), f"{one.sign}: {one.explanation}")
        for one in deaths
    ]
    click.echo()
    print_table(Table(columns, rows), empty="")


async def _read_all(
    store: Store, _: Settings
) -> tuple[list[WorkerView], list[WorkerDeath], WriteRefusal | None]:
    from threadmill.inspection.workers import read_deaths, read_workers
    from threadmill.inspection.write_refusal import WriteRefusal

    census = await store.inspector.census()
    found = await read_workers(store, census)
    refusal = WriteRefusal.of(census.refusal) if census.refusal else None
    return found, await read_deaths(store, census.now / 1000, found), refusal


def _row(one: WorkerView) -> list[str | Cell]:
    threads = one.tool_threads
    provider = one.provider
    state = provider.state if provider else NONE
    return [
        one.worker,
        Cell(one.condition, CONDITION_COLORS[one.condition]),
        f"{one.running}/{NONE if one.slots is None else one.slots}",
        _threads(threads) if threads else NONE,
        duration(max(0.0, time.time() - one.since)),
        one.version or NONE,
        Cell(state, STATE_COLORS.get(state)),
        " ".join(one.modules) or NONE,
        " ".join(one.queues),
    ]


def _threads(found: ToolThreadUse) -> str:
    abandoned = f"+{found.abandoned}" if found.abandoned else ""
    return f"{found.busy}{abandoned}/{found.limit}"
