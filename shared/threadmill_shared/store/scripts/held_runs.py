"""The scripts with which a worker claims a run, writes for it, and lets it go."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import Command, ScriptCall, Value, script


class HeldRunScripts:
    """Calls of the scripts about held runs of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def claim(
        self,
        *,
        run_id: str,
        worker: str,
        worker_name: str,
        bell: str,
        claim: str,
        task: str,
        most_items: int,
        most_bytes: int,
    ) -> ScriptCall:
        """Take a queued run; `claim` is an id of this attempt's, `bell` the worker's channel."""
        return self._of_run(
            "claim",
            run_id,
            worker=worker,
            worker_name=worker_name,
            bell=bell,
            claim=claim,
            task=task,
            most_items=most_items,
            most_bytes=most_bytes,
        )

    def finish(
        self,
        *,
        run_id: str,
        token: str,
        serial: int,
        status: str,
        count: int,
        records: str,
        rest: Sequence[Value],
    ) -> ScriptCall:
        """End a run with its last batch; `rest` as `include/apply.lua` takes it."""
        return self._of_run(
            "finish",
            run_id,
            rest,
            token=token,
            serial=serial,
            status=status,
            count=count,
            records=records,
        )

    def park(
        self,
        *,
        run_id: str,
        token: str,
        serial: int,
        wait_ms: int,
        count: int,
        records: str,
        rest: Sequence[Value],
    ) -> ScriptCall:
        """Let go of a run that waits for somebody outside, at most for `wait_ms`."""
        return self._of_run(
            "park",
            run_id,
            rest,
            token=token,
            serial=serial,
            wait_ms=wait_ms,
            count=count,
            records=records,
        )

    def release(self, *, run_id: str, token: str, serial: int) -> ScriptCall:
        """Give a run back as it stands."""
        return self._of_run("release", run_id, token=token, serial=serial)

    def store_field(
        self, *, run_id: str, token: str, kind: str, field: str, value: str
    ) -> ScriptCall:
        """Store a field beside the run (`kind` is `files`) or beside its thread (`attached`)."""
        return self._of_run("store_field", run_id, token=token, kind=kind, field=field, value=value)

    def _of_run(
        self, name: str, run_id: str, rest: Sequence[Value] = (), **args: Value
    ) -> ScriptCall:
        own: dict[str, Value] = {"bucket": self._keys.bucket(run_id), "run_id": run_id}
        return script(name).call({"run": self._keys.run(run_id)}, own | args, rest)


class AppendScript:
    """Calls of `append.lua` by one holder of one run.

    It is called for every piece of text that a model writes, so what all its calls have in common
    is made once, and a call is nothing but one tuple.
    """

    def __init__(self, keys: Keys, *, run_id: str, token: str) -> None:
        self._script = script("append")
        bucket = keys.bucket(run_id)
        self._head = ("EVALSHA", self._script.sha, 1, keys.run(run_id), bucket, run_id, token)

    def append(
        self, *, serial: int, count: int, records: str, rest: Sequence[Value] = ()
    ) -> Command:
        """Write a batch: `count` events in `records`; `rest` as `include/apply.lua` takes it."""
        return (*self._head, serial, count, records, *rest)

    def in_full(self, command: Command) -> Command:
        """The same command with the script's text, for a server that does not have it yet."""
        return self._script.in_full(command)
