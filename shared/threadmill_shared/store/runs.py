"""What may be done to runs from outside: create, cancel, take away. Every change is one script.

What a holder of a run writes is the worker's business; threads are in `thread_store`, answers to
parked runs in `parking`, reading in `reading`.
"""

from __future__ import annotations

import logging
import random
import secrets

from pydantic_core import to_json

from threadmill_shared import ids
from threadmill_shared.records.changes import (
    CANCEL_MS,
    Dispatch,
    Ended,
    EnqueueCommand,
    Enqueued,
    IndexScan,
    Reclaimed,
)
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.messages import assistant_message, user_message
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.connections import StoreClient, is_cluster
from threadmill_shared.store.replicas import ReplicaCheck, Replicas
from threadmill_shared.store.replies import ENQUEUE_REFUSALS, enqueue_refusal, run_not_found
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.threads import ThreadStore, as_json

logger = logging.getLogger("threadmill.store")

FIRST_RESEND_PAUSE_MS = 2_000
LONGEST_RESEND_PAUSE_MS = 300_000
"""Between two sends of a run that nobody claims; doubling from the first to the longest."""


class Store(ThreadStore):
    """Threads, runs and logs of one namespace."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """A store on a client from `connect`; a call is repeated for `patience` seconds."""
        super().__init__(client, namespace, patience=patience)
        self._replicas = Replicas(client)
        self._runs = RunScripts(self.keys)

    async def close(self) -> None:
        """Close the connections."""
        await self._replicas.close()
        await super().close()

    async def confirm(self, id: str, witness: ReplicaCheck | None = None) -> bool:
        """Whether a replica has all that this process has written before, or there are none.

        Args:
            id: a thread's or run's, which says where it was written.
            witness: what must be true as well, where there are or have been replicas.
        """
        return await self._replicas.confirm(self.keys.mark(id), witness)

    async def enqueue(self, new: EnqueueCommand) -> Enqueued:
        """Create a run.

        Raises:
            ThreadNotFound: the thread must exist and does not.
            ThreadLocked: the thread is busy and `when_busy` is `reject`.
            ThreadFull: too many runs wait.
            IdempotencyMismatch: the key was used with other content.
            StoreFull: Redis has no room for new runs.
        """
        await self._room.refuse_when_full()
        await self._attach(new.thread_id, new.attached)
        keyed = new.idempotency_key is not None
        call = self._runs.enqueue(
            run_id=new.run_id,
            thread_id=new.thread_id,
            idempotency_key=new.idempotency_key or "",
            create=new.create_thread,
            metadata=as_json(new.thread_metadata),
            when_busy=new.when_busy,
            cancel_ms=CANCEL_MS,
            max_waiting=new.max_waiting,
            wait_ms=None if new.wait_seconds is None else int(new.wait_seconds * 1000),
            digest=new.content_digest if keyed else "",
            message_id=new.message_id if new.message is not None else "",
            message=_user_message(new),
            rest=_run_fields(new),
        )
        reply = await self.scripts.run(call)
        outcome, run_id, ahead, send, queue = reply
        if outcome in ENQUEUE_REFUSALS:
            raise enqueue_refusal(outcome, new, run_id, int(ahead))
        await self.confirm(run_id)
        return Enqueued(run_id, int(ahead), _dispatch(send, queue), outcome != "same")

    async def cancel(self, run_id: str) -> Ended:
        """Cancel a run; where a worker executes it, the worker is told and ends it.

        Raises:
            RunNotFound: there is no such run.
        """
        reply = await self.scripts.run(self._runs.cancel(run_id=run_id, cancel_ms=CANCEL_MS))
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
        lost: str | None = None,
        last_error: LastError | None = None,
    ) -> Ended | None:
        """End a run without its worker, keeping the partial message.

        A run that is being cancelled ends as cancelled, at the earliest `grace_ms` after that; any
        other as `status`, at the earliest `grace_ms` after its deadline, or at once where it is
        the attempt of this token, which is `lost`. None: it is too early, or the run has ended, or
        another attempt goes on with it.
        """
        while True:
            record = await self.record(run_id)
            if record is None or record.status.is_terminal or lost not in (None, record.token):
                return None
            if record.status is Status.CANCELLING:
                status, last_error = Status.CANCELLED, None
            text = await self.open_text(record)
            call = self._runs.force_end(
                run_id=run_id,
                token=record.token,
                events=record.events,
                status=status,
                grace_ms=grace_ms,
                lost=lost is not None,
                message_id=_open_message_id(record) if text else "",
                message=_partial_message(record, text, status) if text else "",
                last_error=to_json(last_error).decode() if last_error else "",
            )
            reply = await self.scripts.run(call)
            if reply[0] in ("ok", "again"):
                return Ended(Status(reply[1]), _dispatch(reply[2], reply[3]))
            if reply[0] != "moved":
                return None

    async def reclaim(self, record: RunRecord, *, max_deaths: int | None = None) -> Reclaimed:
        """Take a run away from a holder that is gone or does not execute it.

        Args:
            record: as it was read; the script looks whether it still is.
            max_deaths: the holder died, and so often a run may die without getting on. None: this
                is no fault of the run, and is not counted.
        """
        call = self._runs.reclaim(
            run_id=record.id,
            holder=record.holder,
            token=record.token,
            counts=max_deaths is not None,
            max_deaths=max_deaths or 0,
            jitter=round(random.random(), 3),  # noqa: S311  not a secret
        )
        reply = await self.scripts.run(call)
        if reply[0] not in ("ok", "again"):
            return Reclaimed(reply[0])
        dispatch = Dispatch(record.id, reply[1], begun=True, attempt=record.attempts + 1)
        return Reclaimed("ok", dispatch, int(reply[2]) / 1000)

    async def look(self, at: int | None = None, *, overdue: int, unclaimed: int) -> IndexScan:
        """Look at the indexes of all buckets, for a sweep.

        Args:
            at: a time of the server in milliseconds; None: what it is now.
            overdue: how many runs of one bucket to name at most.
            unclaimed: the same.
        """
        buckets = self.keys.buckets()
        together = [[bucket] for bucket in buckets] if is_cluster(self.client) else [buckets]
        replies = await self.scripts.ask_each(
            [
                self._runs.scan(at=at, overdue=overdue, unclaimed=unclaimed, rest=some)
                for some in together
            ]
        )
        return IndexScan(
            now=max(int(reply[1]) for reply in replies),
            holders=frozenset(worker for reply in replies for worker in reply[2]),
            overdue=[run_id for reply in replies for run_id in reply[3]],
            unclaimed=[
                (run_id, score)
                for reply in replies
                for run_id, score in zip(reply[4][::2], reply[4][1::2], strict=True)
            ],
            unreported=[run_id for reply in replies for run_id in reply[5]],
        )

    async def resend(self, run_id: str, seen: str) -> Dispatch | None:
        """Note that a run is sent again; None where it was claimed or sent meanwhile.

        Args:
            run_id: a run that stands in the dispatched index.
            seen: its score there, as it was read.
        """
        call = self._runs.resend(
            run_id=run_id,
            seen=seen,
            resend_id=secrets.token_hex(4),
            first_pause_ms=FIRST_RESEND_PAUSE_MS,
            longest_pause_ms=LONGEST_RESEND_PAUSE_MS,
        )
        reply = await self.scripts.run(call)
        if reply[0] == "moved":
            return None
        attempts = int(reply[2])
        return Dispatch(run_id, reply[1], begun=attempts > 0, attempt=attempts + 1)


def _user_message(new: EnqueueCommand) -> str:
    if new.message is None:
        return ""
    item = user_message(new.message_id, new.message, attached=new.attached)
    item["run_id"] = new.run_id
    return to_json(item).decode()


def _run_fields(new: EnqueueCommand) -> list[str | int]:
    fields: dict[str, str | int] = {
        "request": new.request.model_dump_json(),
        "queue": new.queue,
        "limit_ms": int(new.run_seconds * 1000),
        "park_ms": int(new.park_seconds * 1000),
        "approval_ms": int(new.approval_seconds * 1000),
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
    reason = {Status.EXPIRED: "run_expired", Status.FAILED: "run_failed"}.get(
        status, "run_cancelled"
    )
    return to_json(
        assistant_message(record, int(record.open_message), text, reason=reason)
    ).decode()


def _dispatch(run_id: str, queue: str) -> Dispatch | None:
    return Dispatch(run_id, queue) if run_id else None
