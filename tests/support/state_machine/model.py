"""What the store has to do, in plain Python: no Redis, no scripts, one dictionary per kind.

Every method takes the arguments of the script of its name, changes the model as the script has to
change the store, and returns what the script has to answer.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.state_machine.commands import METADATA, Command, Write
from tests.support.state_machine.requests import Requests

from threadmill_shared.records.log import count, read_record

Answer = list[Any]

STEP_STATUS = {"incomplete": "failed"}
"""What a run's end makes of its open step, where that is not the run's own status."""


def words(record: list[Any]) -> list[str]:
    """A record's events, one word each."""
    if record[0] == "d":
        return [f"d:{text}" for text in record[2]]
    what = {"r": 1, "x": 1, "te": 2}.get(record[0])
    return [record[0] if what is None else f"{record[0]}:{record[what]}"] * count(
        read_record(record)
    )


@dataclass
class Run:
    """One run, as it ought to be."""

    id: str
    thread: str
    queue: str
    limit_ms: int
    idem: str
    wait_ms: int | None = None
    """Limit for the time until the first claim."""
    status: str = "queued"
    place: str = "waiting"
    """What the statuses do not tell apart: waiting, dispatched, held, parked, ended."""
    token: str = ""
    serial: int = 0
    attempts: int = 0
    holder: str = ""
    retired: str = ""
    forced: str | None = None
    error: tuple[str, ...] = ()
    """The words by which its error is found."""
    reported_by: str = ""
    """The claim that was told of its end, which no holder knew."""
    interrupts: bool = False
    log: list[str] = field(default_factory=list)
    steps: dict[int, str] = field(default_factory=dict)
    open_step: int | None = None
    open_message: int | None = None
    calls: dict[str, str] = field(default_factory=dict)
    lapsed: set[str] = field(default_factory=set)
    """Calls of a parked run whose lessee is lost."""
    park_ms: int = 0
    """Limit for the time that it is parked."""
    next: tuple[str, str] = ("", "")
    deaths: int = 0
    """How often its holder has died since it last got on."""
    call_deaths: int = 0
    """How often of these in the middle of a tool call."""
    pause_ms: int = 0
    brings: list[str] = field(default_factory=list)
    """Ids and items, by turns, that enter the thread before its own message."""
    metadata: str = ""
    """Those that it was given later."""
    final: int | None = None
    """Position of its last item, if it was its thread's head at its end."""
    is_resumed: bool = False
    """Whether it was parked last; the next claim is no takeover."""

    @property
    def is_held(self) -> bool:
        return self.status in ("in_progress", "cancelling")

    @property
    def has_ended(self) -> bool:
        return self.place == "ended"

    @property
    def is_unreported(self) -> bool:
        """Whether it has ended without a holder, and no claim was told of that."""
        return self.has_ended and not self.token and not self.reported_by


@dataclass
class Thread:
    """One thread, as it ought to be."""

    head: str = ""
    line: list[str] = field(default_factory=list)
    items: dict[int, str] = field(default_factory=dict)
    """By position."""
    last: int = 0
    """Position of the last one that was added."""
    messages: dict[str, int] = field(default_factory=dict)
    metadata: str = METADATA
    tool_resources: str = ""
    message_metadata: dict[str, str] = field(default_factory=dict)
    """What was given later, by message."""

    def add(self, message_id: str, item: str) -> None:
        self.last += 1
        self.items[self.last] = item
        if message_id:
            self.messages[message_id] = self.last


class Model:
    """A namespace, as it ought to be."""

    def __init__(self) -> None:
        self.threads: dict[str, Thread] = {}
        self.runs: dict[str, Run] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        """Idempotency keys, and the run and the content that each belongs to."""
        self.refused: dict[str, Answer] = {}
        """Runs that were refused and that others were sent behind."""
        self.deleted: dict[str, str] = {}
        """Threads and messages (`THREAD:MESSAGE`), and the call that deleted each last."""
        self.requests = Requests()
        """What clients' requests have created."""
        self.moves: Counter[str] = Counter()
        """How often each transition was taken."""

    def answer(self, command: Command) -> Answer:
        """Do what the command does."""
        method: Callable[..., Answer] = getattr(self, f"_{command.script}")
        left_out = ("bucket", "cancel_ms")
        args = {name: value for name, value in command.args.items() if name not in left_out}
        if command.script in ("enqueue", "add_messages"):
            args["request"] = command.keys["request"]
        if command.script == "note_delivery":
            args["mark"] = command.keys["mark"]
        if command.script == "enqueue":
            rest = command.rest
            args["fields"] = dict(zip(rest[::2], rest[1::2], strict=True))
            args["idem"] = command.keys["idem"]
        elif command.note is not None:
            args["note"] = command.note
        return method(**args)

    def held_by(self, thread_id: str) -> Run | None:
        """The run at the thread's head."""
        thread = self.threads.get(thread_id)
        return self.runs[thread.head] if thread and thread.head else None

    # ---- transitions ---------------------------------------------------------------------------

    def _enqueue(
        self,
        run_id: str,
        thread_id: str,
        create: int,
        metadata: str,
        tool_resources: str,
        when_busy: str,
        max_waiting: int,
        wait_ms: int | str,
        digest: str,
        message_id: str,
        message: str,
        assistants: str,
        thread_key: str,
        task: str,
        full_share: str,
        after: str,
        followed: int,
        requested: str,
        fields: dict[str, Any],
        idem: str,
        request: str,
    ) -> Answer:
        if (known := self.runs.get(run_id)) is not None:
            return self._enqueued_before(known)
        if followed and run_id in self.refused:
            return self.refused[run_id]
        if digest and idem in self.keys and self.keys[idem][0] in self.runs:
            owner, content = self.keys[idem]
            refused = ["same" if content == digest else "mismatch", owner, 0, "", ""]
            return self._refused(run_id, followed, refused)
        if found := self.requests.find(request, requested, run_id, self._is_unused_run):
            if found[0] == "mismatch":
                return self._refused(run_id, followed, [*found, 0, "", ""])
            return [*found, 0, "", ""]
        if after and after not in self.runs and after not in self.refused:
            return ["early", "", 0, "", ""]
        thread = self.threads.get(thread_id)
        if refused := _refused_by(thread, create, when_busy, max_waiting):
            return self._refused(run_id, followed, refused)

        thread = self.threads.setdefault(thread_id, Thread())
        run = Run(run_id, thread_id, fields["queue"], fields["limit_ms"], idem if digest else "")
        run.wait_ms = int(wait_ms) if wait_ms != "" else None
        run.brings = json.loads(fields.get("messages", "[]"))
        self.runs[run_id] = run
        if digest:
            self.keys[idem] = (run_id, digest)
        self.requests.note(request, requested, run_id)
        run.log += ["r:created", "r:queued"]
        if not thread.head:
            self._move(run, "dispatched", came_from="new")
            self._take_head(run)
            return ["dispatch", run_id, 0, run_id, run.queue]
        return self._join_line(thread, run, interrupts=when_busy == "interrupt")

    def _refused(self, run_id: str, followed: int, answer: Answer) -> Answer:
        if followed:
            self.refused[run_id] = answer
        return answer

    def _enqueued_before(self, run: Run) -> Answer:
        line = self.threads[run.thread].line
        if run.id in line:
            return ["again", run.id, line.index(run.id) + 1, "", ""]
        return ["again", run.id, 0, run.id, run.queue]

    def _join_line(self, thread: Thread, run: Run, *, interrupts: bool) -> Answer:
        self._move(run, "waiting", came_from="new")
        run.interrupts = interrupts
        in_front = [other for other in thread.line if self.runs[other].interrupts]
        at = len(in_front) if interrupts else len(thread.line)
        thread.line.insert(at, run.id)
        run.log.append("x:threadmill.run.waiting")
        head = self.runs[thread.head]
        if not interrupts or head.interrupts:
            return ["waiting", run.id, at + 1, "", ""]
        next_run, queue = self._cancel_run(head)
        if next_run == run.id:
            return ["dispatch", run.id, 0, run.id, queue]
        return ["waiting", run.id, at + 1, next_run, queue]

    def _claim(
        self,
        run_id: str,
        worker: str,
        worker_name: str,
        bell: str,
        claim: str,
        task: str,
        most_items: int,
        most_bytes: int,
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        thread = self.threads[run.thread]
        if run.is_held and run.token.endswith(claim):
            return ["again", *self._claimed(run, most_items, most_bytes)]
        if run.has_ended and not run.token and run.reported_by in ("", claim):
            run.reported_by = claim
            return ["ended"]
        if run.status != "queued":
            return ["taken"]
        if thread.head != run_id:
            return ["waiting"]
        run.attempts += 1
        run.token, run.serial, run.holder = f"{run.attempts}-{claim}", 0, worker
        if run.attempts > 1 and not run.is_resumed:
            run.log.append("x:threadmill.run.takeover")
        run.log.append("r:in_progress")
        run.is_resumed = False
        self._move(run, "held", status="in_progress")
        return ["claimed", *self._claimed(run, most_items, most_bytes)]

    def _claimed(self, run: Run, most_items: int, most_bytes: int) -> Answer:
        thread = self.threads[run.thread]
        told: list[str] = []
        for position, item in [*reversed(thread.items.items())][:most_items]:
            if sum(map(len, [item, *told[1::2]])) > most_bytes:
                break
            told = [str(position), item, *told]
        return [run.token, None, str(thread.last), None, told]

    def _append(
        self, run_id: str, token: str, serial: int, count: int, records: str, note: Write
    ) -> Answer:
        run = self.runs.get(run_id)
        refusal = self._fence(run, token, serial)
        if run is None or refusal not in (None, "again"):
            return [refusal]
        if refusal is None:
            run.serial = serial
            self._apply(run, note)
        return [refusal or "ok", len(run.log), int(run.status == "cancelling")]

    def _finish(
        self,
        run_id: str,
        token: str,
        serial: int,
        status: str,
        count: int,
        records: str,
        note: Write,
    ) -> Answer:
        run = self.runs.get(run_id)
        refusal = self._fence(run, token, serial)
        if run is None or refusal not in (None, "again"):
            return [refusal]
        if refusal is None:
            run.serial = serial
            self._apply(run, note)
            self._end(run, "cancelled" if run.status == "cancelling" else status)
        return [refusal or "ok", run.status, *run.next]

    def _cancel(self, run_id: str) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        if run.has_ended:
            return ["ended", run.status, *self._still_to_send(run)]
        next_run, queue = self._cancel_run(run)
        return [run.status, run.status, next_run, queue]

    def _set_run_metadata(self, run_id: str, metadata: str) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        if run.metadata == metadata:
            return ["again"]
        run.metadata = metadata
        return ["ok"]

    def _force_end(
        self,
        run_id: str,
        token: str,
        events: int,
        status: str,
        grace_ms: int,
        lost: int,
        message_id: str,
        message: str,
        last_error: str,
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        if run.has_ended and run.forced == token:
            return ["again", run.status, *run.next]
        if run.has_ended:
            return ["ended"]
        if (run.token, len(run.log)) != (token, events):
            return ["moved"]
        if not self._is_due(run, lost=bool(lost)) or (grace_ms and not lost):
            return ["early"]
        if message:
            self.threads[run.thread].add(message_id, message)
        run.token, run.forced = "", token
        if last_error and run.status != "cancelling":
            run.error = ("worker_lost", "server_error")
        self._end(run, "cancelled" if run.status == "cancelling" else status)
        return ["ok", run.status, *run.next]

    def _release(self, run_id: str, token: str, serial: int) -> Answer:
        run = self.runs.get(run_id)
        if run is not None and run.retired == token:
            return ["again", run.queue]
        refusal = self._fence(run, token, serial)
        if run is None or refusal is not None:
            return [refusal]
        if run.status == "cancelling":
            return ["cancelling"]
        self._requeue(run)
        return ["ok", run.queue]

    def _park(
        self,
        run_id: str,
        token: str,
        serial: int,
        wait_ms: int,
        count: int,
        records: str,
        note: Write,
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is not None and run.retired == token:
            return ["again"]
        refusal = self._fence(run, token, serial)
        if run is None or refusal is not None:
            return [refusal]
        if run.status == "cancelling":
            return ["cancelling"]
        self._apply(run, note)
        run.retired, run.token, run.holder, run.park_ms = run.token, "", "", wait_ms
        self._move(run, "parked", status="requires_action")
        return ["ok"]

    def _lease_call(
        self,
        run_id: str,
        call_id: str,
        lessee: str,
        lease_ms: int,
        may_repeat: int,
        suspect: str,
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is None or run.place != "parked" or run.calls.get(f"?{call_id}") != "output":
            return ["gone"]
        who = run.calls.get(f"@{call_id}")
        if who not in (None, lessee) and call_id not in run.lapsed:
            return ["taken"]
        if who not in (None, lessee, suspect):
            return ["silent", who]
        if who not in (None, lessee) and not may_repeat:
            return ["lapsed"]
        run.calls[f"@{call_id}"] = lessee
        run.lapsed.discard(call_id)
        if lease_ms == 0:
            run.lapsed.add(call_id)
        run.park_ms = max(run.park_ms, 2 * lease_ms)
        return ["kept" if who == lessee else "ok"]

    def _submit(
        self,
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
        note: tuple[list[Any], ...],
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        given = run.calls.get(f"={call_id}")
        if given is not None:
            if given != digest:
                return ["other"]
            return ["again", run.status, *self._still_to_send(run)]
        if run.place != "parked" or run.calls.get(f"?{call_id}") != waits_for:
            return ["idle"]
        who = run.calls.get(f"@{call_id}", "")
        if lessee != who and (lessee or call_id not in run.lapsed):
            return ["taken"]
        if events != len(run.log):
            return ["moved"]
        for mark in ("", "?", "@", "~"):
            run.calls.pop(f"{mark}{call_id}", None)
        run.calls[f"={call_id}"] = digest
        self.threads[run.thread].add("", item)
        run.steps[step] = step_status
        run.open_step = None if step_status else step
        run.log += [word for record in note for word in words(record)]
        run.deaths = run.call_deaths = 0
        if end_status:
            self._end(run, end_status)
            return ["ok", end_status, *run.next]
        return ["ok", None, *self._resume(run)]

    def _submit_all(
        self,
        run_id: str,
        whole: int,
        events: int,
        step: int,
        step_status: str,
        body: str,
        count: int,
        records: str,
        note: tuple[Sequence[tuple[str, str]], Sequence[list[Any]]],
    ) -> Answer:
        outputs, announcements = note
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        pending = [call for call, _ in outputs if f"={call}" not in run.calls]
        if refusal := self._refused_outputs(run, outputs, pending, whole=whole):
            return refusal
        if not pending:
            return ["again", run.status, *self._still_to_send(run)]
        if events != len(run.log):
            return ["moved"]
        for call in pending:
            for mark in ("", "?", "@", "~"):
                run.calls.pop(f"{mark}{call}", None)
            run.calls[f"={call}"] = dict(outputs)[call]
            self.threads[run.thread].add("", f"{call} gave it")
        run.steps[step] = step_status
        run.open_step = None if step_status else step
        run.log += [word for record in announcements for word in words(record)]
        run.deaths = run.call_deaths = 0
        return ["ok", None, *self._resume(run)]

    def _refused_outputs(
        self, run: Run, outputs: Sequence[tuple[str, str]], pending: Sequence[str], *, whole: int
    ) -> Answer:
        calls = [call for call, _ in outputs]
        for at, (call, digest) in enumerate(outputs):
            if run.calls.get(f"={call}", digest) != digest:
                return ["other", call]
            if call in calls[:at]:
                return ["idle"]
        for call in pending:
            if run.place != "parked" or run.calls.get(f"?{call}") != "output":
                return ["idle"]
            if f"@{call}" in run.calls and call not in run.lapsed:
                return ["taken", call]
        waiting = [mark for mark, what in run.calls.items() if mark[0] == "?" and what == "output"]
        return ["idle"] if pending and whole and len(pending) < len(waiting) else []

    def _approve(
        self, run_id: str, call_id: str, closing: str, unbegun: str, count: int, records: str
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is None:
            return ["gone"]
        if run.place != "parked" or run.calls.get(f"?{call_id}") != "approval":
            was_approved = f"+{call_id}" in run.calls
            return ["again", *self._still_to_send(run)] if was_approved else ["idle"]
        del run.calls[f"?{call_id}"]
        run.calls |= {f"+{call_id}": "1", f"~{call_id}": unbegun, call_id: closing}
        run.log.append("x:threadmill.tool.approved")
        return ["ok", *self._resume(run)]

    def _resume(self, run: Run) -> tuple[str, str]:
        if any(mark.startswith("?") for mark in run.calls):
            return "", ""
        run.is_resumed = True
        run.log.append("r:queued")
        self._move(run, "dispatched")
        return run.id, run.queue

    def _still_to_send(self, run: Run) -> tuple[str, str]:
        sent = self.runs.get(run.next[0]) if run.has_ended else run
        is_unclaimed = sent is not None and sent.place == "dispatched"
        return (sent.id, sent.queue) if is_unclaimed else ("", "")

    def _is_due(self, run: Run, *, lost: bool) -> bool:
        """Whether it may be ended without its holder; limits here are nothing, or an hour."""
        if run.status == "cancelling" or (lost and run.status == "in_progress"):
            return True
        limit = run.limit_ms if run.attempts else run.wait_ms
        if run.place == "parked":
            limit = run.park_ms
        return limit == 0

    def _reclaim(
        self, run_id: str, holder: str, token: str, counts: int, max_deaths: int, jitter: float
    ) -> Answer:
        run = self.runs.get(run_id)
        if run is not None and run.status == "queued" and run.retired == token:
            return ["again", run.queue, run.pause_ms]
        if run is None or (run.holder, run.token) != (holder, token) or run.has_ended:
            return ["moved"]
        if run.status == "cancelling":
            return ["cancelling"]
        run_pause = 0
        if counts:
            deaths = run.deaths + 1
            call_deaths = run.call_deaths + any(call.startswith("!") for call in run.calls)
            if call_deaths >= max_deaths or deaths >= 3 * max_deaths:
                return ["spent"]
            run.deaths, run.call_deaths = deaths, call_deaths
            run_pause = {1: 0, 2: 1000, 3: 5000}.get(deaths, 20_000)
        run.pause_ms = run_pause
        self._requeue(run)
        return ["ok", run.queue, run_pause]

    def _add_messages(
        self,
        thread_id: str,
        create: int,
        metadata: str,
        tool_resources: str,
        key: str,
        requested: str,
        note: Sequence[tuple[str, str]],
        request: str,
    ) -> Answer:
        thread, made = self.threads.get(thread_id), thread_id if create else note[0][0]
        if thread is None and not create:
            return ["no_thread"]
        if thread and (
            note[0][0] in thread.messages or f"{thread_id}:{note[0][0]}" in self.deleted
        ):
            return ["again", thread.last, None, made]

        def is_unused(id: str) -> bool:
            return self._is_unused_thread(id, len(note))

        if found := self.requests.find(request, requested, made, is_unused):
            outcome, id = found
            return (
                [*found]
                if outcome == "mismatch"
                else [outcome, thread.last if thread else 0, None, id]
            )
        if thread is not None and thread.head:
            return ["locked", thread.head]
        thread = self.threads.setdefault(thread_id, Thread())
        for message_id, message in note:
            thread.add(message_id, message)
        self.requests.note(request, requested, made)
        return ["ok", thread.last, None, made]

    def _is_unused_thread(self, thread_id: str, count: int) -> bool:
        thread = self.threads.get(thread_id)
        if thread is None or self.deleted_runs(thread_id):
            return False
        return (thread.last, thread.metadata, thread.tool_resources) == (count, METADATA, "")

    def _is_unused_run(self, run_id: str) -> bool:
        run = self.runs.get(run_id)
        thread = self.threads.get(run.thread) if run else None
        if run is None or thread is None or run.status in ("cancelled", "cancelling"):
            return False
        is_alone = self.deleted_runs(run.thread) == [run_id] and not run.metadata
        is_written = run.has_ended and thread.last != run.final
        is_changed = (thread.metadata, thread.tool_resources) != (METADATA, "")
        return is_alone and not is_written and not is_changed

    def _note_delivery(self, id: str, made: str, mark: str) -> Answer:
        return [self.requests.deliver(mark, id, made)]

    def _update_thread(self, thread_id: str, metadata: str, tool_resources: str) -> Answer:
        thread = self.threads.get(thread_id)
        if thread is None:
            return ["no_thread"]
        before = thread.metadata, thread.tool_resources
        thread.metadata = metadata or thread.metadata
        thread.tool_resources = tool_resources or thread.tool_resources
        return ["again" if before == (thread.metadata, thread.tool_resources) else "ok"]

    def _set_message_metadata(self, thread_id: str, message_id: str, metadata: str) -> Answer:
        thread = self.threads.get(thread_id)
        if thread is None:
            return ["no_thread"]
        if message_id not in thread.messages:
            return ["no_message"]
        if thread.message_metadata.get(message_id) == metadata:
            return ["again"]
        thread.message_metadata[message_id] = metadata
        return ["ok"]

    def _delete_message(self, thread_id: str, message_id: str, delete_id: str) -> Answer:
        thread, name = self.threads.get(thread_id), f"{thread_id}:{message_id}"
        if self.deleted.get(name) == delete_id:
            return ["again"]
        if thread is None:
            return ["no_thread"]
        if message_id not in thread.messages:
            return ["no_message"]
        if thread.head:
            return ["locked", thread.head]
        del thread.items[thread.messages.pop(message_id)]
        thread.message_metadata.pop(message_id, None)
        self.deleted[name] = delete_id
        return ["ok"]

    def _delete_thread(self, thread_id: str, delete_id: str) -> Answer:
        thread = self.threads.get(thread_id)
        if self.deleted.get(thread_id) == delete_id:
            return ["again"]
        if thread is None:
            return ["no_thread"]
        if thread.head:
            return ["locked", thread.head]
        del self.threads[thread_id]
        self.deleted[thread_id] = delete_id
        return ["ok"]

    def deleted_runs(self, thread_id: str) -> list[str]:
        """The runs of a deleted thread that are still there."""
        return [run.id for run in self.runs.values() if run.thread == thread_id]

    def _remove_runs(self, thread_id: str, note: Sequence[str]) -> Answer:
        for run_id in note:
            self.runs.pop(run_id, None)
        return ["ok"]

    # ---- parts of transitions ------------------------------------------------------------------

    def _move(self, run: Run, place: str, *, status: str = "queued", came_from: str = "") -> None:
        def name(place: str, status: str) -> str:
            return status if place in ("held", "ended") else place

        self.moves[f"{came_from or name(run.place, run.status)} -> {name(place, status)}"] += 1
        run.place, run.status = place, status

    def _take_head(self, run: Run) -> None:
        thread = self.threads[run.thread]
        thread.head = run.id
        for message_id, item in zip(run.brings[::2], run.brings[1::2], strict=True):
            thread.add(message_id, item)
        thread.add(f"msg_{run.id}", f"said to {run.id}")

    def _fence(self, run: Run | None, token: str, serial: int) -> str | None:
        if run is None or run.token != token:
            return "stale"
        if serial == run.serial:
            return "again"
        if serial > run.serial + 1:
            return "rewound"
        if serial < run.serial:
            return "refused"
        return None if run.is_held else "stale"

    def _apply(self, run: Run, write: Write) -> None:
        for name, value in write.fields.items():
            assert name == "open_message"
            run.open_message = None if value == "" else int(value)
        for message_id, item in write.items:
            self.threads[run.thread].add(message_id, item)
        for number, status in write.steps:
            run.steps[number] = status
            run.open_step = None if status else number
        run.calls.update(write.opened)
        for call in write.closed:
            for mark in ("", "!", "~"):
                run.calls.pop(f"{mark}{call}", None)
        run.log += [word for record in write.records for word in words(record)]

    def _cancel_run(self, run: Run) -> tuple[str, str]:
        if run.status in ("queued", "requires_action"):
            self._end(run, "cancelled")
            return run.next
        if run.status == "in_progress":
            self._move(run, "held", status="cancelling")
            run.log.append("r:cancelling")
        return "", ""

    def _close_open(self, run: Run, step_status: str) -> None:
        if run.open_step is None:
            return
        run.steps[run.open_step] = step_status
        run.log += [f"te:{step_status}"] if run.open_message is None else ["mi", "mi"]
        run.open_step = run.open_message = None

    def _requeue(self, run: Run) -> None:
        self._close_open(run, "cancelled")
        run.retired, run.token, run.holder = run.token, "", ""
        run.log.append("r:queued")
        self._move(run, "dispatched")

    def _end(self, run: Run, status: str) -> None:
        thread = self.threads[run.thread]
        self._close_open(run, STEP_STATUS.get(status, status))
        for call in run.calls:
            if call.startswith("call_"):
                thread.add("", _closing_output(run, call))
        run.calls = {
            mark: value
            for mark, value in run.calls.items()
            if mark[0] in "+=" or (mark[0] == "~" and _is_unbegun(run, mark[1:]))
        }
        run.log += [f"r:{status}", "done"]
        self._move(run, "ended", status=status)
        run.final = thread.last if thread.head == run.id else None
        if thread.head != run.id:
            thread.line.remove(run.id)
            return
        thread.head = ""
        if thread.line:
            following = self.runs[thread.line.pop(0)]
            self._take_head(following)
            self._move(following, "dispatched")
            following.log.append("x:threadmill.run.dispatched")
            run.next = (following.id, following.queue)


def _refused_by(thread: Thread | None, create: int, when_busy: str, max_waiting: int) -> Answer:
    """What an enqueue is answered that the thread does not take; empty if it does."""
    if thread is None:
        return [] if create else ["no_thread", "", 0, "", ""]
    if thread.head and when_busy == "reject":
        return ["locked", thread.head, 0, "", ""]
    if thread.head and len(thread.line) >= max_waiting:
        return ["full", thread.head, len(thread.line), "", ""]
    return []


def _closing_output(run: Run, call: str) -> str:
    """What a call gets that has no output at the end: it may have been begun, or it was not."""
    return run.calls[f"~{call}"] if _is_unbegun(run, call) else run.calls[call]


def _is_unbegun(run: Run, call: str) -> bool:
    """Whether an open call is known not to have been begun."""
    may_have_begun = any(f"{mark}{call}" in run.calls for mark in "!?@")
    return call in run.calls and f"~{call}" in run.calls and not may_have_begun
