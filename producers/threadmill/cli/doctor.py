"""`threadmill doctor`."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.store_url import use_store
from threadmill.cli.tables import Cell, Column, Table, json_option, print_objects, print_table
from threadmill_shared.log_text import counted

if TYPE_CHECKING:
    from threadmill.inspection.doctor.finding import Finding

_COLORS = {"error": "red", "warning": "yellow", "skipped": "cyan", "ok": "green"}


@click.command()
@json_option
@click.option("--no-provider", is_flag=True, help="Do not ask the model provider.")
def doctor(*, as_json: bool, no_provider: bool) -> None:
    """Examine Redis, the broker, the fleet and the model provider, and say what helps.

    Nothing is changed, and what the provider is asked, such as its list of models, costs nothing.
    The exit code is 1 if there is an error, otherwise 0.
    """
    import asyncio

    from threadmill.inspection.doctor.diagnosis import diagnose
    from threadmill_shared.errors import NotConfigured
    from threadmill_shared.settings import load_settings

    with contextlib.suppress(NotConfigured):  # that is a finding, too
        use_store()
    found = asyncio.run(diagnose(load_settings(), with_provider=not no_provider))
    if as_json:
        print_objects(found)
    else:
        _print_findings(found)
    if any(one.state == "error" for one in found):
        click.get_current_context().exit(1)


def _print_findings(found: Sequence[Finding]) -> None:
    columns = [Column("state"), Column("check"), Column("finding")]
    rows: list[list[str | Cell]] = [
        [Cell(one.state, _COLORS[one.state]), one.name, one.cause] for one in found
    ]
    print_table(Table(columns, rows), empty="Nothing was checked.")
    cures = [one for one in found if one.cure]
    width = max((len(one.name) for one in cures), default=0)
    click.echo("\nWhat helps:" if cures else "")
    for one in cures:
        click.echo(f"  {one.name:<{width}}  {one.cure}")
    click.echo(f"\n{_summary(found)}" if cures else _summary(found))


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(one.state for one in found)
    parts = [
        counted(counts["error"], "error"),
        counted(counts["warning"], "warning"),
        f"{counts['skipped']} not checked",
        f"{counts['ok']} ok",
    ]
    return ", ".join(parts)
