"""The scripts with which somebody outside answers a parked run."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class ParkedRunScripts:
    """Calls of the scripts about parked runs of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def lease_call(
        self,
        *,
        run_id: str,
        call_id: str,
        lessee: str,
        lease_ms: int,
        may_repeat: bool,
        suspect: str,
    ) -> ScriptCall:
        """Take a call, to execute it, or renew its lease."""
        return self._of_run(
            "lease_call",
            run_id,
            call_id=call_id,
            lessee=lessee,
            lease_ms=lease_ms,
            may_repeat=int(may_repeat),
            suspect=suspect,
        )

    def submit(
        self,
        *,
        run_id: str,
        call_id: str,
        waits_for: str,
        lessee: str,
        events: int,
        digest: str,
        item: str,
        step: int,
        step_status: str,
        body: str,
        count: int,
        records: str,
        end_status: str,
        end_field: str,
        end_value: str,
    ) -> ScriptCall:
        """Give a call its output, if the run has not moved since `events` was read."""
        return self._of_run(
            "submit",
            run_id,
            call_id=call_id,
            waits_for=waits_for,
            lessee=lessee,
            events=events,
            digest=digest,
            item=item,
            step=step,
            step_status=step_status,
            body=body,
            count=count,
            records=records,
            end_status=end_status,
            end_field=end_field,
            end_value=end_value,
        )

    def submit_all(
        self,
        *,
        run_id: str,
        whole: bool,
        events: int,
        step: int,
        step_status: str,
        body: str,
        count: int,
        records: str,
        rest: Sequence[str],
    ) -> ScriptCall:
        """Give several calls their outputs, all or none, if the run has not moved since `events`.

        Args:
            run_id: the parked run.
            whole: whether no other call may be left that waits for an output.
            events: number of the last event that was read.
            step: the calls' step.
            step_status: how it ends; empty: calls are left.
            body: the step with the outputs.
            count: the number of records.
            records: announce the outputs.
            rest: call id, digest and item of each output.
        """
        return self._of_run(
            "submit_all",
            run_id,
            rest,
            whole=int(whole),
            events=events,
            step=step,
            step_status=step_status,
            body=body,
            count=count,
            records=records,
        )

    def approve(
        self, *, run_id: str, call_id: str, closing: str, unbegun: str, count: int, records: str
    ) -> ScriptCall:
        """Allow a call.

        Args:
            run_id: the parked run.
            call_id: the call.
            closing: its output if the run ends before it has one.
            unbegun: its output instead if no worker has begun it by then.
            count: the number of records.
            records: announce it.
        """
        return self._of_run(
            "approve",
            run_id,
            call_id=call_id,
            closing=closing,
            unbegun=unbegun,
            count=count,
            records=records,
        )

    def _of_run(
        self, name: str, run_id: str, rest: Sequence[Value] = (), **args: Value
    ) -> ScriptCall:
        own: dict[str, Value] = {"bucket": self._keys.bucket(run_id), "run_id": run_id}
        return script(name).call({"run": self._keys.run(run_id)}, own | args, rest)
