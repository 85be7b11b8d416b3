"""The scripts as commands with everything in their hands: ids, tokens, serials.

The store and the held run choose these by themselves; tests of what happens to a wrong, an old or
a repeated write have to choose them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.store.slots import hash_tag

from threadmill_shared.ids import bucket_of
from threadmill_shared.records.changes import CANCEL_MS
from threadmill_shared.records.log import read_record
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts import loader

DAY = 86_400_000
HOUR = 3_600_000
METADATA = '{"customer":"7","order":"12"}'
"""Of every new thread."""
INDEXED_KEY = "customer"
"""What of it is indexed."""
ASSISTANT = "assistant:0123456789abcdef"
LOST = '{"name":"worker_lost","code":"server_error","message":"worker_lost: gone"}'


@dataclass(frozen=True)
class Write:
    """What a holder writes at once, in the terms of a test."""

    records: tuple[list[Any], ...] = ()
    fields: Mapping[str, str | int] = field(default_factory=dict)
    items: tuple[tuple[str, str], ...] = ()
    """Message id or nothing, and the item."""
    steps: tuple[tuple[int, str], ...] = ()
    """Number, and the status it ends with or nothing."""
    opened: tuple[tuple[str, str], ...] = ()
    """Tool calls and their closing outputs."""
    closed: tuple[str, ...] = ()

    def encoded(self) -> tuple[int, str, tuple[Any, ...]]:
        batch = Batch()
        for record in self.records:
            batch.record(read_record(record))
        batch.changes.fields.update(self.fields)
        batch.changes.items += [part for item in self.items for part in item]
        for number, status in self.steps:
            batch.step(number, {"calls": []}, status)
        batch.changes.opened += [part for call in self.opened for part in call]
        batch.changes.closed += self.closed
        count, records, rest = batch.encoded()
        return count, records, tuple(rest)


@dataclass(frozen=True)
class Command:
    """One call of a script; sending it twice is what a client does that lost the answer."""

    script: str
    keys: Mapping[str, str]
    args: Mapping[str, Any]
    rest: tuple[Any, ...] = ()
    note: Any = None
    """What `rest` encodes."""

    def __str__(self) -> str:
        given = {name: value for name, value in self.args.items() if name != "bucket"}
        return f"{self.script}({given}, {self.note or self.rest})"

    def script_call(self) -> loader.ScriptCall:
        script = loader.script(self.script)
        return script.call(self.keys, {name: self.args[name] for name in script.args}, self.rest)

    def call(self) -> tuple[Any, ...]:
        """The EVALSHA; its keys share one slot."""
        tags = {hash_tag(key.encode()) for key in (*self.keys.values(), self.args["bucket"])}
        assert len(tags) == 1, f"{self.script} is called with keys of the slots {tags}"
        return self.script_call().command


class Commands:
    """Makes commands for one namespace."""

    def __init__(self, namespace: str) -> None:
        self._keys = Keys(namespace)

    def enqueue(
        self,
        thread_id: str,
        run_id: str,
        *,
        when_busy: str = "queue",
        key: str = "",
        content: str = "",
        create: bool = True,
        max_waiting: int = 100,
        limit_ms: int = 600_000,
        wait_ms: int | str = "",
        after: str = "",
        is_followed: bool = False,
        brings: int = 0,
        request: str = "",
        requested: str = "",
    ) -> Command:
        """`brings`: how many messages enter the thread before the run's own."""
        brought = [(f"msg_{run_id}_{n}", f'{{"n": {n}.0, "of": []}}') for n in range(brings)]
        fields = {
            "queue": "tm",
            "limit_ms": limit_ms,
            "park_ms": 3_600_000,
            "log_ms": DAY,
            "run_ms": DAY,
            "request": "{}",
        }
        if brought:
            fields["messages"] = json.dumps([part for pair in brought for part in pair])
        return Command(
            "enqueue",
            {
                "run": self._keys.run(run_id),
                "thread": self._keys.thread(thread_id),
                "idem": self._keys.idempotency(thread_id, key),
                "request": self._keys.request(thread_id, request),
            },
            {
                "bucket": self._keys.bucket(thread_id),
                "run_id": run_id,
                "thread_id": thread_id,
                "create": int(create),
                "metadata": METADATA,
                "tool_resources": "",
                "when_busy": when_busy,
                "cancel_ms": CANCEL_MS,
                "max_waiting": max_waiting,
                "wait_ms": wait_ms,
                "digest": content if key else "",
                "message_id": f"msg_{run_id}",
                "message": f"said to {run_id}",
                "assistants": ASSISTANT,
                "thread_key": "",
                "task": "",
                "full_share": "",
                "after": after,
                "followed": int(is_followed),
                "requested": requested,
            },
            tuple(part for pair in fields.items() for part in pair),
            key,
        )

    def claim(self, run_id: str, worker: str, claim: str) -> Command:
        name = worker.rpartition(":")[0]
        args = {
            "worker": worker,
            "worker_name": name,
            "bell": f"tm:bell:{worker}",
            "claim": claim,
            "task": f"{run_id}.1.{claim[:8]}",
            "most_items": 6,
            "most_bytes": 100,
        }
        return self._of_run("claim", run_id, args)

    def append(self, run_id: str, token: str, serial: int, write: Write) -> Command:
        count, records, rest = write.encoded()
        args = {"token": token, "serial": serial, "count": count, "records": records}
        return self._of_run("append", run_id, args, rest, write)

    def finish(
        self,
        run_id: str,
        token: str,
        serial: int,
        status: str = "completed",
        write: Write = Write(),
    ) -> Command:
        count, records, rest = write.encoded()
        args = {"token": token, "serial": serial, "status": status}
        args |= {"count": count, "records": records}
        return self._of_run("finish", run_id, args, rest or (0,) * 5, write)

    def cancel(self, run_id: str) -> Command:
        return self._of_run("cancel", run_id, {"cancel_ms": CANCEL_MS})

    def set_run_metadata(self, run_id: str, metadata: str) -> Command:
        return self._of_run("set_run_metadata", run_id, {"metadata": metadata})

    def force_end(
        self,
        run_id: str,
        token: str,
        events: int,
        *,
        status: str = "expired",
        grace_ms: int = 0,
        lost: int = 0,
        message_id: str = "",
        message: str = "",
    ) -> Command:
        args = {"token": token, "events": events, "status": status, "grace_ms": grace_ms}
        args |= {
            "lost": lost,
            "message_id": message_id,
            "message": message,
            "last_error": LOST if lost else "",
        }
        return self._of_run("force_end", run_id, args)

    def release(self, run_id: str, token: str, serial: int) -> Command:
        return self._of_run("release", run_id, {"token": token, "serial": serial})

    def park(self, run_id: str, token: str, serial: int, wait_ms: int, write: Write) -> Command:
        count, records, rest = write.encoded()
        args = {"token": token, "serial": serial, "wait_ms": wait_ms}
        args |= {"count": count, "records": records}
        return self._of_run("park", run_id, args, rest, write)

    def lease_call(
        self,
        run_id: str,
        call: str,
        lessee: str,
        *,
        lease_ms: int = HOUR,
        may_repeat: int = 0,
        suspect: str = "",
    ) -> Command:
        args = {"call_id": call, "lessee": lessee, "lease_ms": lease_ms, "may_repeat": may_repeat}
        args |= {"suspect": suspect}
        return self._of_run("lease_call", run_id, args)

    def submit(
        self,
        run_id: str,
        call: str,
        events: int,
        records: tuple[list[Any], ...],
        *,
        step: int = 0,
        waits_for: str = "output",
        lessee: str = "",
        digest: str = "4",
        end_status: str = "",
    ) -> Command:
        count, encoded, _ = Write(records=records).encoded()
        args = {"call_id": call, "waits_for": waits_for, "lessee": lessee, "events": events}
        args |= {"digest": digest, "item": f"{call} gave {digest}", "step": step}
        args |= {"step_status": "completed" if count > 1 else "", "body": '{"calls":[]}'}
        args |= {"count": count, "records": encoded, "end_status": end_status}
        args |= {"end_field": "data" if end_status else "", "end_value": "1" if end_status else ""}
        return self._of_run("submit", run_id, args, note=records)

    def submit_all(
        self,
        run_id: str,
        outputs: tuple[tuple[str, str], ...],
        events: int,
        records: tuple[list[Any], ...],
        *,
        step: int = 0,
        is_last: bool = True,
        whole: int = 1,
    ) -> Command:
        """`outputs` are calls, each with the digest of what it gave."""
        count, encoded, _ = Write(records=records).encoded()
        args = {"whole": whole, "events": events, "step": step, "body": '{"calls":[]}'}
        args |= {"step_status": "completed" if is_last else "", "count": count}
        args |= {"records": encoded}
        rest = tuple(part for call, digest in outputs for part in (call, digest, f"{call} gave it"))
        return self._of_run("submit_all", run_id, args, rest, note=(outputs, records))

    def approve(self, run_id: str, call: str) -> Command:
        write = Write(records=(["x", "threadmill.tool.approved", {}],))
        count, records, _ = write.encoded()
        closing, unbegun = f"{call} was approved", f"{call} was approved, not begun"
        args = {"call_id": call, "closing": closing, "unbegun": unbegun, "count": count}
        args |= {"records": records}
        return self._of_run("approve", run_id, args)

    def reclaim(
        self, run_id: str, holder: str, token: str, *, max_deaths: int | None = None
    ) -> Command:
        args = {"holder": holder, "token": token, "counts": int(max_deaths is not None)}
        args |= {"max_deaths": max_deaths or 0, "jitter": 0.5}
        return self._of_run("reclaim", run_id, args)

    def add_messages(
        self,
        thread_id: str,
        messages: tuple[tuple[str, str], ...],
        *,
        create: bool = True,
        request: str = "",
        requested: str = "",
    ) -> Command:
        return Command(
            "add_messages",
            {
                "thread": self._keys.thread(thread_id),
                "request": self._keys.request(thread_id, request),
            },
            {
                "bucket": self._keys.bucket(thread_id),
                "thread_id": thread_id,
                "create": int(create),
                "metadata": METADATA,
                "tool_resources": "",
                "key": "",
                "requested": requested,
            },
            tuple(part for message in messages for part in message),
            messages,
        )

    def note_delivery(self, thread_id: str, request: str, id: str, made: str) -> Command:
        args = {"bucket": self._keys.bucket(thread_id), "id": id, "made": made}
        return Command("note_delivery", {"mark": self._keys.request(thread_id, request)}, args)

    def update_thread(
        self, thread_id: str, *, metadata: str = "", tool_resources: str = ""
    ) -> Command:
        args = {"metadata": metadata, "tool_resources": tool_resources}
        return self._of_thread("update_thread", thread_id, args)

    def set_message_metadata(self, thread_id: str, message_id: str, metadata: str) -> Command:
        args = {"message_id": message_id, "metadata": metadata}
        return self._of_thread("set_message_metadata", thread_id, args)

    def _of_thread(self, script: str, thread_id: str, args: Mapping[str, Any]) -> Command:
        own = {"bucket": self._keys.bucket(thread_id), "thread_id": thread_id}
        return Command(script, {"thread": self._keys.thread(thread_id)}, {**own, **args})

    def delete_message(self, thread_id: str, message_id: str, delete_id: str) -> Command:
        args = {"message_id": message_id, "delete_id": delete_id}
        return self._of_thread("delete_message", thread_id, args)

    def delete_thread(self, thread_id: str, delete_id: str = "delete_1") -> Command:
        return self._of_thread("delete_thread", thread_id, {"delete_id": delete_id})

    def remove_runs(self, thread_id: str, runs: tuple[str, ...]) -> Command:
        return Command(
            "remove_runs",
            {"tomb": self._keys.tomb(thread_id)},
            {"bucket": self._keys.bucket(thread_id), "thread_id": thread_id},
            runs,
            runs,
        )

    def _of_run(
        self,
        script: str,
        run_id: str,
        args: Mapping[str, Any],
        rest: tuple[Any, ...] = (),
        note: Any = None,
    ) -> Command:
        own = {"bucket": self._keys.bucket(run_id), "run_id": run_id}
        return Command(script, {"run": self._keys.run(run_id)}, {**own, **args}, rest, note)


def bucket_key(id: str) -> str:
    """The bucket of an id, as the keys of `tests.support.store.contents` begin."""
    return f"{{{bucket_of(id)}}}:"


OUTCOMES = {
    "enqueue": "dispatch waiting again same mismatch no_thread locked full early",
    "claim": "claimed again ended gone taken waiting",
    "append": "ok again stale rewound refused",
    "finish": "ok again stale rewound refused",
    "cancel": "cancelled cancelling ended gone",
    "set_run_metadata": "ok again gone",
    "force_end": "ok again gone ended moved early",
    "release": "ok again stale rewound refused cancelling",
    "park": "ok again stale rewound refused cancelling",
    "lease_call": "ok kept gone taken silent lapsed",
    "submit": "ok again gone idle taken other moved",
    "submit_all": "ok again gone idle taken other moved",
    "approve": "ok again gone idle",
    "reclaim": "ok again moved cancelling spent",
    "add_messages": "ok again same mismatch no_thread locked",
    "note_delivery": "ok again gone",
    "update_thread": "ok again no_thread",
    "set_message_metadata": "ok again no_thread no_message",
    "delete_message": "ok again no_thread no_message locked",
    "delete_thread": "ok again no_thread locked",
    "remove_runs": "ok",
}
"""Every word that each script answers."""

CHANGING = frozenset(
    {
        *(("enqueue", word) for word in ("dispatch", "waiting")),
        *(("claim", word) for word in ("claimed", "ended", "gone")),
        ("lease_call", "kept"),
        *(("cancel", word) for word in ("cancelled", "cancelling")),
        *((script, "ok") for script in OUTCOMES),
    }
)
"""The outcomes with which a script has written; with any other it changes nothing."""
