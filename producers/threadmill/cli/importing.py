"""`threadmill import`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from threadmill.cli.store_url import use_store
from threadmill.cli.tables import json_option, print_objects
from threadmill_shared.log_text import counted

if TYPE_CHECKING:
    from threadmill.transfer import Imported


def _models(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """What `--map-model` says, as a mapping.

    Raises:
        BadParameter: one has another form, or names a model again.
    """
    models: dict[str, str] = {}
    for text in given:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not (old and equals and new) or "=" in new:
            raise click.BadParameter(f"{text!r} must be OLD=NEW, two names of models.")
        if old in models:
            raise click.BadParameter(f"{old} is given more than once; name it once.")
        models[old] = new
    return models


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file, and write nothing.")
@click.option(
    "--map-model",
    "models",
    metavar="OLD=NEW",
    multiple=True,
    callback=_models,
    help="Store assistants of the model OLD with NEW; may be given more than once.",
)
@click.option(
    "--skip-invalid", is_flag=True, help="Skip invalid lines, and list them, instead of stopping."
)
@json_option
def import_(
    *, file: Path, dry_run: bool, models: dict[str, str], skip_invalid: bool, as_json: bool
) -> None:
    """Import the assistants, threads and messages of FILE.

    FILE has one JSON object of the Assistants API per line. Objects that already exist do not
    change, so an import can be repeated. A thread's old id becomes its key: use --key
    thread_abc123.
    """
    if not dry_run:
        use_store()
    from threadmill.transfer import import_file

    found = import_file(file, dry_run=dry_run, map_model=models, skip_invalid=skip_invalid)
    if as_json:
        print_objects([found])
    else:
        _print_report(found, models, dry_run=dry_run)


def _print_report(found: Imported, models: Mapping[str, str], *, dry_run: bool) -> None:
    for invalid in found.invalid:
        click.echo(f"skipped {invalid}", err=True)
    for left_out in found.left_out:
        click.echo(f"not kept of {left_out}", err=True)
    for name, number in found.dropped.items():
        kind, _, what = name.partition(": ")
        click.echo(f"not kept of {counted(number, kind)}: {what}", err=True)
    if found.repeated:
        lines = counted(found.repeated, "line was", "lines were")
        click.echo(f"{lines} left out: an earlier line has the same id", err=True)
    if found.skipped:
        click.echo(f"skipped {counted(found.skipped, 'run or step', 'runs and steps')}", err=True)
    for line in _model_notes(found, models, dry_run=dry_run):
        click.echo(line, err=True)
    click.echo(
        f"{counted(found.assistants, 'assistant')}, {counted(found.threads, 'thread')}, "
        f"{counted(found.messages, 'message')}: "
        + ("nothing was written" if dry_run else _new(found.new_assistants, found.new_messages))
    )


def _model_notes(found: Imported, models: Mapping[str, str], *, dry_run: bool) -> Iterator[str]:
    from threadmill_shared.retirements.announcements import find_retirement, today

    for old, number in found.mapped.items():
        if number:
            yield f"{old} becomes {models[old]} in {counted(number, 'assistant')}"
        else:
            yield f"warning: --map-model: no imported assistant has the model {old}"
    there = found.assistants - found.new_assistants
    if not dry_run and there and models:
        users = counted(there, "assistant was", "assistants were")
        yield f"{users} there already and did not change"
    for model, number in found.retiring.items():
        if retirement := find_retirement(model):
            cure = f"--map-model {model}=NEW replaces it in new assistants"
            if model in models.values():
                cure = "name another one in --map-model"
            users = counted(number, "assistant has it", "assistants have it")
            yield f"warning: {retirement.announced(today())} {users}: {cure}"


def _new(assistants: int, messages: int) -> str:
    return f"{counted(assistants, 'assistant')} and {counted(messages, 'message')} were new"
