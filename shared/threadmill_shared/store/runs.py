"""Runs: their records, and what may be done to them from outside. Every change is one script.

What a holder of a run writes is in `held_runs`, answers to parked runs in `parked_runs`, what a
sweep looks at in `indexes`.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from threadmill_shared import errors, ids, records
from threadmill_shared.records.changes import (
    CANCEL_MS,
    Dispatch,
    Ended,
    EnqueueCommand,
    Enqueued,
    Reclaimed,
)
from threadmill_shared.records.definition import snapshot_json
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.messages import assistant_message
from threadmill_shared.records.run import RunProgress, RunRecord, Status
from threadmill_shared.records.stored_run import StoredRun
from threadmill_shared.store.bulk_enqueue import BulkEnqueue, Reply
from threadmill_shared.store.files import Files
from threadmill_shared.store.index_names import assistant_indexes
from threadmill_shared.store.logs import Logs
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.replies import ENQUEUE_REFUSALS, enqueue_refusal, run_not_found
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.server import GAPS_FORMAT, Server
from threadmill_shared.store.session import Session
from threadmill_shared.store.threads import as_json

if TYPE_CHECKING:
    from threadmill_shared.records.objects import Step

_STORED_BEFORE = ("again", "same", "mismatch")
"""Replies to an enqueue that needs no room."""


class Runs:
    """The runs of one namespace."""

    def __init__(self, session: Session, server: Server, logs: Logs, files: Files) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = RunScripts(session.keys)
        self._server = server
        self._logs = logs
        self._files = files

    # ---- reading ---------------------------------------------------------------------------------

    async def record(self, run_id: str) -> RunRecord | None:
        """The run's record, or None if there is no such run."""
        found = await self.stored(run_id)
        return found.read() if found else None

    async def stored(self, run_id: str) -> StoredRun | None:
        """The same as it is stored."""
        fields = await self._runner.hash_fields(self._keys.run(run_id))
        return StoredRun(run_id, fields) if fields else None

    async def progress(self, run_id: str) -> RunProgress | None:
        """How far the run has come, or None if there is no such run.

        Raises:
            StoreIncompatible: this release does not know its status.
        """
        key = self._keys.run(run_id)
        status, events = await self._runner.command("HMGET", key, "status", "events")
        return RunProgress.read(run_id, status, events) if status else None

    async def thread_and_parent(self, run_id: str) -> tuple[str | None, str | None]:
        """The run's thread, and the run whose tool has enqueued it; each None if there is none."""
        key = self._keys.run(run_id)
        thread_id, parent = await self._runner.command("HMGET", key, "thread_id", "parent")
        return thread_id, parent

    async def queues_and_attempts(self, run_ids: Sequence[str]) -> list[tuple[str | None, int]]:
        """For each run its own queue, or None if its record is gone, and how often it was begun."""
        fields = ("queue", "attempts")
        found = await self._runner.commands(
            ("HMGET", self._keys.run(run_id), *fields) for run_id in run_ids
        )
        return [(queue, int(attempts or 0)) for queue, attempts in found]

    async def token(self, run_id: str) -> str | None:
        """The token of the attempt that holds the run; None if it has ended a while ago, too."""
        found: str | None = await self._runner.command("HGET", self._keys.run(run_id), "token")
        return found

    async def exists(self, run_id: str) -> bool:
        """Whether there is such a run."""
        return bool(await self._runner.command("EXISTS", self._keys.run(run_id)))

    async def steps(self, run_id: str) -> list[Step]:
        """The run's steps, in order."""
        return records.objects.Step.read_all(
            run_id, await self._runner.hash_fields(self._keys.steps(run_id))
        )

    async def all_of_thread(self, thread_id: str) -> AsyncIterator[RunRecord]:
        """All of the thread's runs whose records are there, oldest first, read page by page."""
        key, start = self._keys.runs(thread_id), 0
        while run_ids := await self._runner.command("ZRANGE", key, start, start + PAGE - 1):
            start += len(run_ids)
            records = await self._runner.commands(("HGETALL", self._keys.run(id)) for id in run_ids)
            for run_id, fields in zip(run_ids, records, strict=True):
                if fields:
                    yield RunRecord.read(run_id, fields)

    async def count_ahead(self, record: RunRecord) -> int:
        """How many runs of the thread come before this one; 0: none, or it is past waiting."""
        place = await self._runner.command("ZRANK", self._keys.line(record.thread_id), record.id)
        return 0 if place is None else int(place) + 1

    # ---- changing --------------------------------------------------------------------------------

    async def enqueue(self, new: EnqueueCommand, task: bytes = b"") -> Enqueued:
        """Create a run.

        Args:
            new: all that is written.
            task: the message for its queue, if that is in the same Redis: it is sent with the run,
                unless the run has to wait.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: the thread is busy and `when_busy` is `reject`.
            ThreadFull: too many runs wait.
            IdempotencyMismatch: the key was used with other content.
            StoreFull: Redis has no room for new runs.
        """
        memory_guard = self._session.memory_guard
        await self._use_format([new])
        if new.all_attached:
            await memory_guard.refuse_when_full()
            await self._files.attach(new.thread_id, new.all_attached)
        full_share = memory_guard.share_to_check()
        self._session.look_at_replicas(new.run_id)
        reply = await self._runner.run(self._enqueue_call(new, task, full_share=full_share))
        if full_share is not None and reply[0] in _STORED_BEFORE:
            memory_guard.look_again()
        elif full_share is not None:
            memory_guard.note(is_full=reply[0] == "no_room")
        enqueued = _enqueued(new, reply)
        await self._session.wait_for_replica(enqueued.run_id)
        return enqueued

    async def enqueue_many(
        self, new: Sequence[EnqueueCommand], task_of: Callable[[EnqueueCommand], bytes]
    ) -> AsyncIterator[Enqueued | Exception]:
        """Create runs in this order, many in a round trip.

        Args:
            new: all that is written.
            task_of: the message for a run's queue; see `enqueue`.

        Yields:
            For each run, in order, what `enqueue` returns or raises for it. If Redis has no room or
            does not answer, the runs behind are not sent.
        """

        def call_of(one: EnqueueCommand, after: str) -> ScriptCall:
            is_followed = last[one.thread_id] != one.run_id
            return self._enqueue_call(one, task_of(one), after=after, is_followed=is_followed)

        await self._use_format(new)
        last = {one.thread_id: one.run_id for one in new}
        bulk, at = BulkEnqueue(self._session, self._files, call_of), iter(new)
        async for reply in bulk.replies(new):
            yield _outcome(next(at), reply)

    async def _use_format(self, new: Sequence[EnqueueCommand]) -> None:
        # Processes of earlier releases would lose what a waiting run brings.
        if any(one.additional and one.when_busy != "reject" for one in new):
            await self._server.use_format(GAPS_FORMAT)

    def _enqueue_call(
        self,
        new: EnqueueCommand,
        task: bytes,
        *,
        full_share: float | None = None,
        after: str = "",
        is_followed: bool = False,
    ) -> ScriptCall:
        is_keyed, request = new.idempotency_key is not None, new.client_request
        return self._scripts.enqueue(
            run_id=new.run_id,
            thread_id=new.thread_id,
            idempotency_key=new.idempotency_key or "",
            create=new.create_thread,
            metadata=as_json(new.thread_metadata),
            tool_resources=as_json(new.thread_tool_resources),
            when_busy=new.when_busy,
            cancel_ms=CANCEL_MS,
            max_waiting=new.max_waiting,
            wait_ms=None if new.wait_seconds is None else int(new.wait_seconds * 1000),
            digest=new.content_digest if is_keyed else "",
            message_id=new.message_id if new.message is not None else "",
            message=_user_message(new),
            assistants=" ".join(assistant_indexes(new.request)),
            thread_key=new.thread_key or "",
            task=task,
            full_share=full_share,
            after=after,
            followed=is_followed,
            request=request.digest if request else "",
            requested=request.encoded() if request else "",
            rest=_run_fields(new),
        )

    async def cancel(self, run_id: str) -> Ended:
        """Cancel a run; if a worker executes it, the worker is notified and ends it.

        Raises:
            RunNotFound: there is no such run.
        """
        reply = await self._runner.run(self._scripts.cancel(run_id=run_id, cancel_ms=CANCEL_MS))
        if reply[0] == "gone":
            raise run_not_found(run_id)
        _, status, send, queue = reply
        return Ended(Status(status), _dispatch(send, queue))

    async def set_metadata(self, run_id: str, metadata: Mapping[str, str]) -> None:
        """Replace a run's metadata, whatever its status.

        Raises:
            RunNotFound: there is no such run.
        """
        text = to_json(metadata).decode()
        call = self._scripts.set_run_metadata(run_id=run_id, metadata=text)
        reply = await self._runner.run(call)
        if reply[0] == "gone":
            raise run_not_found(run_id)

    async def force_end(
        self,
        run_id: str,
        *,
        status: Status = Status.CANCELLED,
        grace_ms: int = 0,
        lost: str | None = None,
        last_error: LastError | None = None,
    ) -> Ended | None:
        """End a run without its worker, keeping the partial message.

        A run that is being cancelled ends as cancelled, at the earliest `grace_ms` after that; any
        other as `status`, at the earliest `grace_ms` after its deadline, or at once if it is
        the attempt of this token, which is `lost`. None: it is too early, or the run has ended, or
        another attempt continues it.
        """
        while True:
            record = await self.record(run_id)
            if record is None or record.status.is_terminal or lost not in (None, record.token):
                return None
            if record.status is Status.CANCELLING:
                status, last_error = Status.CANCELLED, None
            reply = await self._force_end(
                record, status, grace_ms, last_error, lost=lost is not None
            )
            if reply[0] in ("ok", "again"):
                return Ended(Status(reply[1]), _dispatch(reply[2], reply[3]))
            if reply[0] != "moved":
                return None

    async def _force_end(
        self,
        record: RunRecord,
        status: Status,
        grace_ms: int,
        last_error: LastError | None,
        *,
        lost: bool,
    ) -> list[Any]:
        """Try it once, with the message as far as it was written; returns the script's reply."""
        text = await self._logs.open_text(record)
        call = self._scripts.force_end(
            run_id=record.id,
            token=record.token,
            events=record.events,
            status=status,
            grace_ms=grace_ms,
            lost=lost,
            message_id=_open_message_id(record) if text else "",
            message=_partial_message(record, text, status) if text else "",
            last_error=to_json(last_error).decode() if last_error else "",
        )
        return await self._runner.run(call)

    async def reclaim(self, record: RunRecord, *, max_deaths: int | None = None) -> Reclaimed:
        """Take a run away from a holder that is gone or does not execute it.

        Args:
            record: as it was read; the script checks that it still is.
            max_deaths: the holder died, and so many holders may die without the run making
                progress. None: this is not the run's fault, and is not counted.
        """
        call = self._scripts.reclaim(
            run_id=record.id,
            holder=record.holder,
            token=record.token,
            counts=max_deaths is not None,
            max_deaths=max_deaths or 0,
            jitter=round(random.random(), 3),  # noqa: S311  not a secret
        )
        reply = await self._runner.run(call)
        if reply[0] not in ("ok", "again"):
            return Reclaimed(reply[0])
        dispatch = Dispatch(record.id, reply[1], begun=True, attempt=record.attempts + 1)
        return Reclaimed("ok", dispatch, int(reply[2]) / 1000, is_first=reply[0] == "ok")


def _outcome(new: EnqueueCommand, reply: Reply | Exception) -> Enqueued | Exception:
    if isinstance(reply, Exception):
        return reply
    try:
        return _enqueued(new, reply)
    except errors.CallerError as error:
        return error


def _enqueued(new: EnqueueCommand, reply: Reply) -> Enqueued:
    outcome, run_id, ahead, send, queue, created_at = reply
    if outcome in ENQUEUE_REFUSALS:
        raise enqueue_refusal(outcome, new, run_id, int(ahead))
    return Enqueued(
        run_id,
        int(ahead),
        _dispatch(send, queue),
        created=outcome != "same",
        created_at=int(created_at),
    )


def _user_message(new: EnqueueCommand) -> str:
    item = new.message_item()
    return "" if item is None else to_json(item).decode()


def _run_fields(new: EnqueueCommand) -> list[str | int]:
    fields: dict[str, str | int] = {
        "request": snapshot_json(new.request),
        "queue": new.queue,
        "limit_ms": int(new.run_seconds * 1000),
        "park_ms": int(new.park_seconds * 1000),
        "approval_ms": int(new.approval_seconds * 1000),
        "log_ms": int(new.log_seconds * 1000),
        "run_ms": int(new.run_days * 86_400_000),
    }
    if new.additional:
        pairs = [(one.item["id"], to_json(one.item).decode()) for one in new.additional]
        fields["messages"] = to_json([part for pair in pairs for part in pair]).decode()
    if new.context:
        fields["context"] = to_json(new.context).decode()
    if new.parent:
        fields["parent"] = new.parent
    return [part for pair in fields.items() for part in pair]


def _open_message_id(record: RunRecord) -> str:
    return ids.run_message_id(record.id, int(record.open_message))


def _partial_message(record: RunRecord, text: str, status: Status) -> str:
    reason = {Status.EXPIRED: "run_expired", Status.FAILED: "run_failed"}.get(
        status, "run_cancelled"
    )
    return to_json(
        assistant_message(record, int(record.open_message), text, reason=reason)
    ).decode()


def _dispatch(run_id: str, queue: str) -> Dispatch | None:
    return Dispatch(run_id, queue) if run_id else None
