"""The scripts that create, end and move runs from outside."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class RunScripts:
    """Calls of the scripts about runs of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def enqueue(
        self,
        *,
        run_id: str,
        thread_id: str,
        idempotency_key: str,
        create: bool,
        metadata: str,
        tool_resources: str,
        when_busy: str,
        cancel_ms: int,
        max_waiting: int,
        wait_ms: int | None,
        digest: str,
        message_id: str,
        message: str,
        assistants: str,
        thread_key: str,
        task: bytes,
        full_share: float | None,
        after: str,
        followed: bool,
        request: str,
        requested: str,
        rest: Sequence[Value],
    ) -> ScriptCall:
        """Create a run; `rest` are fields of its record, name and value in turn.

        An empty `digest` says that there is no idempotency key; `assistants` are the names of the
        indexes that the run stands in for its assistant's sake. `task` is the message for the
        run's queue, if that is in the same Redis, else empty. At `full_share` of its memory the
        server has no room; None: it has. `after` is a run of the thread that must be there or have
        been refused, if one is sent in front of this one; else empty. `followed` tells whether
        this is such a run to another one. `request` and `requested` as for `add_messages`.
        """
        keys = {
            "run": self._keys.run(run_id),
            "thread": self._keys.thread(thread_id),
            "idem": self._keys.idempotency(thread_id, idempotency_key),
            "request": self._keys.request(thread_id, request),
        }
        args: dict[str, Value] = {
            "bucket": self._keys.bucket(run_id),
            "run_id": run_id,
            "thread_id": thread_id,
            "create": int(create),
            "metadata": metadata,
            "tool_resources": tool_resources,
            "when_busy": when_busy,
            "cancel_ms": cancel_ms,
            "max_waiting": max_waiting,
            "wait_ms": "" if wait_ms is None else wait_ms,
            "digest": digest,
            "message_id": message_id,
            "message": message,
            "assistants": assistants,
            "thread_key": thread_key,
            "task": task,
            "full_share": "" if full_share is None else full_share,
            "after": after,
            "followed": int(followed),
            "requested": requested,
        }
        return script("enqueue").call(keys, args, rest)

    def cancel(self, *, run_id: str, cancel_ms: int) -> ScriptCall:
        """Cancel a run; a worker that executes it has `cancel_ms` to do so."""
        return self._of_run("cancel", run_id, cancel_ms=cancel_ms)

    def set_run_metadata(self, *, run_id: str, metadata: str) -> ScriptCall:
        """Replace a run's metadata by these, as JSON."""
        return self._of_run("set_run_metadata", run_id, metadata=metadata)

    def force_end(
        self,
        *,
        run_id: str,
        token: str,
        events: int,
        status: str,
        grace_ms: int,
        lost: bool,
        message_id: str,
        message: str,
        last_error: str,
    ) -> ScriptCall:
        """End a run without its holder, unless it has moved since `events` was read."""
        return self._of_run(
            "force_end",
            run_id,
            token=token,
            events=events,
            status=status,
            grace_ms=grace_ms,
            lost=int(lost),
            message_id=message_id,
            message=message,
            last_error=last_error,
        )

    def reclaim(
        self,
        *,
        run_id: str,
        holder: str,
        token: str,
        counts: bool,
        max_deaths: int,
        jitter: float,
    ) -> ScriptCall:
        """Take a run away from its holder; `counts`: the holder's death counts against the run."""
        return self._of_run(
            "reclaim",
            run_id,
            holder=holder,
            token=token,
            counts=int(counts),
            max_deaths=max_deaths,
            jitter=jitter,
        )

    def resend(
        self, *, run_id: str, seen: str, resend_id: str, first_pause_ms: int, longest_pause_ms: int
    ) -> ScriptCall:
        """Note that a run is sent again, if its place in the index is still `seen`."""
        return self._of_run(
            "resend",
            run_id,
            seen=seen,
            resend_id=resend_id,
            first_pause_ms=first_pause_ms,
            longest_pause_ms=longest_pause_ms,
        )

    def compact(self, *, run_id: str) -> ScriptCall:
        """Join the texts in the log of a run that has ended, unless somebody follows it."""
        return self._of_run("compact", run_id)

    def scan(
        self, *, at: int | None, overdue: int, unclaimed: int, rest: Sequence[str]
    ) -> ScriptCall:
        """Look at the indexes of some buckets; `rest` are their prefixes."""
        keys = {"deadlines": self._keys.deadlines(rest[0])}
        args: dict[str, Value] = {
            "at": "" if at is None else at,
            "overdue": overdue,
            "unclaimed": unclaimed,
        }
        return script("scan").call(keys, args, rest)

    def count_waiting(self, *, sample: int, rest: Sequence[str]) -> ScriptCall:
        """Count the waiting runs of some buckets; `rest` are their prefixes."""
        keys = {"deadlines": self._keys.deadlines(rest[0])}
        return script("count_waiting").call(keys, {"sample": sample}, rest)

    def _of_run(self, name: str, run_id: str, **args: Value) -> ScriptCall:
        own: dict[str, Value] = {"bucket": self._keys.bucket(run_id), "run_id": run_id}
        return script(name).call({"run": self._keys.run(run_id)}, own | args)
