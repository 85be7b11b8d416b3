"""The store as producers and consumers use it: create, cancel, add, delete, and read.

Every change is one script; what a holder of a run writes is in `threadmill_shared.holding`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic_core import from_json, to_json

from threadmill_shared import errors, ids
from threadmill_shared.connections import PASSING, StoreClient
from threadmill_shared.definition import RunRequest
from threadmill_shared.events import Entry, abandoned_text
from threadmill_shared.items import Item, MessageItem, text_part
from threadmill_shared.keys import Keys
from threadmill_shared.objects import Message, Step
from threadmill_shared.records import HELD, RunRecord, Status
from threadmill_shared.scripts import ScriptRunner, store_full, unavailable
from threadmill_shared.wire import Wire

WhenBusy = Literal["queue", "reject", "interrupt"]
PAGE = 200
"""Items or log entries per read."""
FULL = 0.9
"""Share of `maxmemory` from which on nothing new is taken in."""


@dataclass(frozen=True)
class Dispatch:
    """A run that is to be sent to a queue, because it has come to its thread's head."""

    run_id: str
    queue: str
    begun: bool = False
    """Whether it had begun before, and so belongs to the queue for those."""


@dataclass(frozen=True)
class Enqueued:
    """What became of an enqueue."""

    run_id: str
    ahead: int
    """Runs before it in the thread; 0: it is at the head."""
    send: Dispatch | None
    created: bool
    """False where the idempotency key belonged to a run already."""


@dataclass(frozen=True)
class Ended:
    """What became of a cancel or a forced end."""

    status: Status
    send: Dispatch | None


@dataclass(frozen=True)
class NewRun:
    """All that an enqueue writes."""

    run_id: str
    thread_id: str
    request: RunRequest
    create_thread: bool
    message_id: str = ""
    message: str | None = None
    """The user's text; None: the run takes the thread as it is."""
    when_busy: WhenBusy = "queue"
    idempotency_key: str | None = None
    content_digest: str = ""
    queue: str = ""
    context: Mapping[str, Any] | None = None
    run_seconds: float = 600
    log_seconds: float = 3600
    run_days: float = 30
    max_waiting: int = 100
    parent: str | None = None


class Store:
    """Threads, runs and logs of one namespace."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """A store on a client from `connect`; a call is repeated for `patience` seconds."""
        self.client = client
        self.keys = Keys(namespace)
        self.wire = Wire(client)
        self.scripts = ScriptRunner(self.wire, patience=patience)
        self._memory = _Memory(client)

    async def close(self) -> None:
        """Close the connections."""
        await self.wire.close()

    # ---- changes ---------------------------------------------------------------------------------

    async def enqueue(self, new: NewRun) -> Enqueued:
        """Create a run.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: the thread is busy and `when_busy` is `reject`.
            ThreadFull: too many runs wait.
            IdempotencyMismatch: the key was used with other content.
            StoreFull: Redis has no room for new runs.
        """
        await self._memory.refuse_when_full()
        keyed = new.idempotency_key is not None
        reply = await self.scripts.run(
            "enqueue",
            keys={
                "run": self.keys.run(new.run_id),
                "thread": self.keys.thread(new.thread_id),
                "idem": self.keys.idempotency(new.thread_id, new.idempotency_key or ""),
            },
            args={
                "bucket": self.keys.bucket(new.run_id),
                "run_id": new.run_id,
                "thread_id": new.thread_id,
                "create": int(new.create_thread),
                "when_busy": new.when_busy,
                "max_waiting": new.max_waiting,
                "digest": new.content_digest if keyed else "",
                "message_id": new.message_id if new.message is not None else "",
                "message": _user_message(new),
            },
            rest=_run_fields(new),
        )
        outcome, run_id, ahead, send, queue = reply
        if outcome in _REFUSALS:
            raise _refusal(outcome, new, run_id, int(ahead))
        return Enqueued(run_id, int(ahead), _dispatch(send, queue), outcome != "same")

    async def cancel(self, run_id: str) -> Ended:
        """Cancel a run; where a worker executes it, the worker is told and ends it.

        Raises:
            RunNotFound: there is no such run.
        """
        reply = await self.scripts.run(
            "cancel",
            keys={"run": self.keys.run(run_id)},
            args={"bucket": self.keys.bucket(run_id), "run_id": run_id},
        )
        if reply[0] == "gone":
            raise run_not_found(run_id)
        _, status, send, queue = reply
        return Ended(Status(status), _dispatch(send, queue))

    async def force(
        self,
        run_id: str,
        *,
        status: Status = Status.CANCELLED,
        grace_ms: int = 0,
        last_error: Mapping[str, str] | None = None,
    ) -> Ended | None:
        """End a run in progress without its worker, keeping the partial message.

        A run that is being cancelled ends as cancelled, at the earliest `grace_ms` after that; any
        other as `status`, at the earliest `grace_ms` after its deadline. None: it is too early, or
        nobody holds the run any more.
        """
        while True:
            record = await self.record(run_id)
            if record is None or record.status not in HELD:
                return None
            if record.status is Status.CANCELLING:
                status, last_error = Status.CANCELLED, None
            text = await self._open_text(record)
            reply = await self.scripts.run(
                "force",
                keys={"run": self.keys.run(run_id)},
                args={
                    "bucket": self.keys.bucket(run_id),
                    "run_id": run_id,
                    "token": record.token,
                    "events": record.events,
                    "status": status,
                    "grace_ms": grace_ms,
                    "message_id": _open_message_id(record) if text else "",
                    "message": _partial_message(record, text, status) if text else "",
                    "last_error": to_json(last_error).decode() if last_error else "",
                },
            )
            if reply[0] in ("ok", "again"):
                return Ended(Status(reply[1]), _dispatch(reply[2], reply[3]))
            if reply[0] != "moved":
                return None

    async def reclaim(self, record: RunRecord) -> str:
        """Take a run away from a holder that is gone.

        Returns the outcome: `ok`, `moved` (it is no longer that holder's), or `cancelling` (it is
        to be ended by force).
        """
        reply = await self.scripts.run(
            "reclaim",
            keys={"run": self.keys.run(record.id)},
            args={
                "bucket": self.keys.bucket(record.id),
                "run_id": record.id,
                "holder": record.holder,
                "token": record.token,
            },
        )
        return "ok" if reply[0] == "again" else str(reply[0])

    async def add(
        self,
        thread_id: str,
        messages: Sequence[tuple[str, MessageItem]],
        *,
        create: bool,
        metadata: Mapping[str, str] | None = None,
    ) -> int:
        """Add messages to a thread that no run holds; returns the server's time in milliseconds.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: a run holds it.
            StoreFull: Redis has no room for them.
        """
        await self._memory.refuse_when_full()
        flat = [text for id, item in messages for text in (id, to_json(item).decode())]
        reply = await self.scripts.run(
            "add",
            keys={"thread": self.keys.thread(thread_id)},
            args={
                "bucket": self.keys.bucket(thread_id),
                "thread_id": thread_id,
                "create": int(create),
                "metadata": to_json(metadata).decode() if metadata else "",
            },
            rest=flat,
        )
        _refuse_thread(reply, thread_id, "messages can be added")
        return int(reply[2])

    async def delete(self, thread_id: str) -> None:
        """Delete a thread and its runs.

        Raises:
            ThreadNotFound: it does not exist.
            ThreadLocked: a run holds it.
        """
        reply = await self.scripts.run(
            "delete",
            keys={"thread": self.keys.thread(thread_id)},
            args={"bucket": self.keys.bucket(thread_id), "thread_id": thread_id},
        )
        _refuse_thread(reply, thread_id, "it can be deleted")
        tomb = self.keys.tomb(thread_id)
        while page := await self.read("ZRANGE", tomb, 0, PAGE - 1):
            gone = [key(run) for run in page for key in self._keys_of_a_run()]
            await self.scripts.command("UNLINK", *gone)
            await self.scripts.command("ZREM", tomb, *page)

    def _keys_of_a_run(self) -> tuple[Any, ...]:
        return (self.keys.run, self.keys.log, self.keys.steps, self.keys.calls)

    # ---- reads -----------------------------------------------------------------------------------

    async def record(self, run_id: str) -> RunRecord | None:
        """The run's record, or None where there is no such run."""
        fields = await self.read("HGETALL", self.keys.run(run_id))
        return RunRecord.read(run_id, fields) if fields else None

    async def entries(self, run_id: str, after: int = 0) -> list[Entry]:
        """A page of the run's log: the entries that hold events later than number `after`."""
        found = await self.read("XRANGE", self.keys.log(run_id), after + 1, "+", "COUNT", PAGE)
        entries = [Entry.read(id, _fields(fields)) for id, fields in found]
        for entry in entries:
            for record in entry.records:
                if record[0] == "mi" and record[3] is None:
                    record[3] = await self._text_since(run_id, record[1], record[6], entry.last)
        return entries

    async def steps(self, run_id: str) -> list[Step]:
        """The run's steps, in order."""
        return Step.read_all(run_id, await self.read("HGETALL", self.keys.steps(run_id)))

    async def items(self, thread_id: str, first: int, last: int) -> list[tuple[Item, int]]:
        """The thread's items from position `first` to `last`, with their times in ms."""
        found: list[tuple[Item, int]] = []
        key = self.keys.items(thread_id)
        while first <= last:
            page = await self.read("XRANGE", key, first, last, "COUNT", PAGE)
            if not page:
                break
            for _, raw in page:
                fields = _fields(raw)
                found.append((from_json(fields["item"]), int(fields["t"])))
            first = int(page[-1][0].partition("-")[0]) + 1
        return found

    async def items_before(self, thread_id: str, last: int, count: int) -> list[Item]:
        """At most `count` items up to position `last`, oldest first."""
        found = await self.read("XREVRANGE", self.keys.items(thread_id), last, "-", "COUNT", count)
        return [from_json(_fields(raw)["item"]) for _, raw in reversed(found)]

    async def messages_of_run(self, record: RunRecord) -> list[Message]:
        """The run's messages, the user's first."""
        if not record.first:
            return []
        last = record.final or await self.last_position(record.thread_id)
        items = await self.items(record.thread_id, record.first, last)
        return [
            Message.read(record.thread_id, item, at)
            for item, at in items
            if item["type"] == "message"
        ]

    async def last_position(self, thread_id: str) -> int:
        """Position of the thread's last item; 0 where it has none."""
        return int(await self.read("HGET", self.keys.thread(thread_id), "last") or 0)

    async def thread_fields(self, thread_id: str) -> dict[str, str]:
        """The thread's record; empty where there is no such thread."""
        return dict(await self.read("HGETALL", self.keys.thread(thread_id)))

    async def messages(
        self, thread_id: str, limit: int, before: str | None, after: str | None
    ) -> list[Message]:
        """A page of the thread's messages, ascending.

        The newest `limit` of those before `before`; with `after`, the first `limit` behind it.

        Raises:
            BadMessage: the thread has no message `before` or `after`.
        """
        key = self.keys.messages(thread_id)
        low = f"({await self._position(key, after)}" if after else "-inf"
        high = f"({await self._position(key, before)}" if before else "+inf"
        page = ("LIMIT", 0, limit)
        if after:
            found = await self.read("ZRANGEBYSCORE", key, low, high, "WITHSCORES", *page)
        else:
            found = await self.read("ZREVRANGEBYSCORE", key, high, low, "WITHSCORES", *page)
        positions = sorted(_scores(found))
        return [await self._message(thread_id, position) for position in positions]

    async def runs(self, thread_id: str, limit: int) -> list[RunRecord]:
        """The thread's newest runs, oldest first."""
        found = await self.read("ZREVRANGE", self.keys.runs(thread_id), 0, limit - 1)
        records = [await self.record(run_id) for run_id in reversed(found)]
        return [record for record in records if record is not None]

    async def ahead(self, record: RunRecord) -> int:
        """How many runs of the thread come before this one; 0: none, or it is past waiting."""
        place = await self.read("ZRANK", self.keys.line(record.thread_id), record.id)
        return 0 if place is None else int(place) + 1

    async def read(self, *command: Any) -> Any:
        """Run one command that changes nothing, repeating it while Redis does not answer.

        Raises:
            StoreUnavailable: no answer within the store's patience.
        """
        return await self.scripts.command(*command)

    async def gather(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run commands that change nothing, in one round trip."""
        return list(await asyncio.gather(*(self.read(*command) for command in commands)))

    async def _position(self, key: str, message_id: str) -> int:
        position = await self.read("ZSCORE", key, ids.checked_message_id(message_id))
        if position is None:
            raise errors.BadMessage(f"The thread has no message {message_id}.")
        return int(float(position))

    async def _message(self, thread_id: str, position: int) -> Message:
        [(item, at)] = await self.items(thread_id, position, position)
        return Message.read(thread_id, cast("MessageItem", item), at)

    async def _open_text(self, record: RunRecord) -> str:
        if not record.open_message:
            return ""
        message, since = int(record.open_message), record.open_from
        return await self._text_since(record.id, message, since, record.events)

    async def _text_since(self, run_id: str, message: int, since: int, until: int) -> str:
        found = await self.read("XRANGE", self.keys.log(run_id), since, until)
        return abandoned_text([Entry.read(id, _fields(raw)) for id, raw in found], message)


class _Memory:
    """Looks once a second whether the server has room for new runs."""

    def __init__(self, client: StoreClient) -> None:
        self._client = client
        self._looked_at = float("-inf")
        self._full = False

    async def refuse_when_full(self) -> None:
        if time.monotonic() - self._looked_at > 1:
            self._looked_at = time.monotonic()
            self._full = await self._is_full()
        if self._full:
            raise store_full()

    async def _is_full(self) -> bool:
        try:
            info = await self._client.info("memory")
        except PASSING as error:
            raise unavailable(error) from error
        except Exception:  # noqa: BLE001  an ACL may forbid INFO; the server's own limit still holds
            return False
        limit = int(info.get("maxmemory", 0)) if isinstance(info, dict) else 0
        return limit > 0 and int(info["used_memory"]) >= FULL * limit


_REFUSALS = ("mismatch", "no_thread", "locked", "full")


def _refusal(outcome: str, new: NewRun, holder: str, waiting: int) -> errors.CallerError:
    match outcome:
        case "mismatch":
            return errors.IdempotencyMismatch(
                f"The idempotency key belongs to {holder}, which was enqueued with other content. "
                "Use a new key for a new request."
            )
        case "no_thread":
            return thread_not_found(new.thread_id)
        case "locked":
            return errors.ThreadLocked(
                f"{new.thread_id} is held by {holder}. Wait for it, or enqueue with "
                "when_busy='queue' or 'interrupt'.",
                run_id=holder,
            )
    return errors.ThreadFull(
        f"{waiting} runs wait for {new.thread_id}, as many as THREADMILL_MAX_WAITING allows."
    )


def _refuse_thread(reply: Sequence[Any], thread_id: str, what: str) -> None:
    if reply[0] == "no_thread":
        raise thread_not_found(thread_id)
    if reply[0] == "locked":
        raise errors.ThreadLocked(
            f"{thread_id} is held by {reply[1]}; {what} when that run has ended.", run_id=reply[1]
        )


def thread_not_found(thread_id: str) -> errors.ThreadNotFound:
    """The error for an id without a thread."""
    return errors.ThreadNotFound(
        f"There is no thread {thread_id}. Thread() makes a new one, Thread(key=...) one of your "
        "own name."
    )


def run_not_found(run_id: str) -> errors.RunNotFound:
    """The error for an id without a run."""
    return errors.RunNotFound(
        f"There is no run {run_id}: it never was, its thread was deleted, or its record expired."
    )


def new_message(
    message_id: str, text: str, metadata: Mapping[str, str] | None = None
) -> MessageItem:
    """A user's message, as it is stored."""
    return {
        "type": "message",
        "id": message_id,
        "role": "user",
        "content": [text_part(text)],
        "status": "completed",
        "run_id": None,
        "assistant_id": None,
        "assistant_name": None,
        "metadata": dict(metadata or {}),
    }


def content_digest(*parts: Any) -> str:
    """A digest of what an idempotency key stands for."""
    return hashlib.sha256(to_json(parts)).hexdigest()[:32]


def _user_message(new: NewRun) -> str:
    if new.message is None:
        return ""
    item = new_message(new.message_id, new.message)
    item["run_id"] = new.run_id
    return to_json(item).decode()


def _run_fields(new: NewRun) -> list[str | int]:
    fields: dict[str, str | int] = {
        "request": new.request.model_dump_json(),
        "queue": new.queue,
        "limit_ms": int(new.run_seconds * 1000),
        "log_ms": int(new.log_seconds * 1000),
        "run_ms": int(new.run_days * 86_400_000),
    }
    if new.context:
        fields["context"] = to_json(new.context).decode()
    if new.parent:
        fields["parent"] = new.parent
    return [part for pair in fields.items() for part in pair]


def _open_message_id(record: RunRecord) -> str:
    return ids.run_message_id(record.id, int(record.open_message))


def _partial_message(record: RunRecord, text: str, status: Status) -> str:
    reason = "run_expired" if status is Status.EXPIRED else "run_cancelled"
    return to_json(
        assistant_message(record, int(record.open_message), text, reason=reason)
    ).decode()


def assistant_message(
    record: RunRecord, index: int, text: str, *, reason: str | None = None
) -> MessageItem:
    """A run's message number `index`, as it is stored; a reason makes it incomplete."""
    item: MessageItem = {
        "type": "message",
        "id": ids.run_message_id(record.id, index),
        "role": "assistant",
        "content": [text_part(text)],
        "status": "incomplete" if reason else "completed",
        "run_id": record.id,
        "assistant_id": record.request.assistant_id,
        "assistant_name": record.request.assistant_name,
        "metadata": {},
    }
    if reason:
        item["reason"] = reason
    return item


def _dispatch(run_id: str, queue: str) -> Dispatch | None:
    return Dispatch(run_id, queue) if run_id else None


def _fields(raw: Any) -> Mapping[str, str]:
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))


def _scores(found: Sequence[Any]) -> list[int]:
    if found and isinstance(found[0], str):
        return [int(float(score)) for score in found[1::2]]
    return [int(float(score)) for _, score in found]
