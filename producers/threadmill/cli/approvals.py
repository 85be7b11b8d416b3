"""`threadmill approve` and `threadmill reject`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from threadmill.cli.call_names import is_call_named
from threadmill.cli.completion import complete_waiting_call, complete_waiting_run
from threadmill.cli.reading import read_store
from threadmill.cli.store_url import use_store
from threadmill.cli.tables import json_option, print_objects

if TYPE_CHECKING:
    from threadmill import Run
    from threadmill_shared.records.objects import RequiredCall
    from threadmill_shared.tools import ToolSpec

_call_id = click.argument("call_id", required=False, shell_complete=complete_waiting_call)


@click.command()
@click.argument("run_id", shell_complete=complete_waiting_run)
@_call_id
@json_option
def approve(*, run_id: str, call_id: str | None, as_json: bool) -> None:
    """Approve CALL_ID of the run RUN_ID; without CALL_ID, all its calls that wait for approval.

    Of CALL_ID, what follows the run's own digits is enough: 1_0.
    """
    run = _load(run_id)
    waiting = _waiting(run, call_id)
    _warn_of_absent(run, waiting)
    for call in waiting:
        run.approve(call.id)
        _print(run, call, "approved", as_json=as_json)


@click.command()
@click.argument("run_id", shell_complete=complete_waiting_run)
@_call_id
@click.option("--reason", help="The reason, as the model will read it.")
@json_option
def reject(*, run_id: str, call_id: str | None, reason: str | None, as_json: bool) -> None:
    """Reject CALL_ID of the run RUN_ID; without CALL_ID, all its calls that wait for approval.

    Of CALL_ID, what follows the run's own digits is enough: 1_0.
    """
    run = _load(run_id)
    for call in _waiting(run, call_id):
        run.reject(call.id, reason)
        _print(run, call, "rejected", as_json=as_json)


def _print(run: Run, call: RequiredCall, decision: str, *, as_json: bool) -> None:
    if as_json:
        tool = call.function.name
        print_objects([{"run_id": run.id, "call_id": call.id, "tool": tool, "decision": decision}])
    else:
        click.echo(f"{call.id} {call.function.name}: {decision}")


def _warn_of_absent(run: Run, calls: Sequence[RequiredCall]) -> None:
    """Say which of these calls no live worker can execute."""
    from threadmill.inspection.absent_functions import read_absent

    names = [call.function.name for call in calls]
    for spec in read_store(lambda store, _: read_absent(store, run.id, names)):
        click.echo(f"Warning: no live worker has {spec.identity}. {_cure(spec)}", err=True)


def _cure(spec: ToolSpec) -> str:
    from threadmill_shared.tools.identity import is_of_one_process, module_of

    if is_of_one_process(spec.identity):
        return "Only a process that is gone had it, so the run will fail with ToolNotFound."
    return (
        f"Start one: threadmill worker {module_of(spec.identity)}. The run waits for it for "
        "THREADMILL_WORKER_WAIT_SECONDS (60), and then fails with ToolNotFound."
    )


def _load(run_id: str) -> Run:
    use_store()
    from threadmill import Run

    return Run.load(run_id)


def _waiting(run: Run, call_id: str | None) -> list[RequiredCall]:
    calls = run.required_action.tool_calls if run.required_action else []
    waiting = [call for call in calls if call.waits_for == "approval"]
    found = [call for call in waiting if call_id is None or is_call_named(run.id, call.id, call_id)]
    if found:
        return found
    if not waiting:
        raise click.ClickException(f"{run.id} is not waiting for an approval; it is {run.status}.")
    names = ", ".join(f"{call.id} ({call.function.name})" for call in waiting)
    raise click.ClickException(
        f"{run.id} has no such call. It is waiting for approval of: {names}."
    )
