"""Sends runs again whose Celery message is lost, once it is proved to be.

How long a message may take, nobody knows: a queue may be long, and a worker may hold what it cannot
begin yet. So when a run has not been claimed for a while, a *probe* is sent to its queue. Whoever
executes the probe knows that all that was sent before it has been delivered or lost, and sends
again what is still unclaimed. A busy queue delays its probe as it delays everything else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.store import Store
from threadmill_workers.log_text import list_runs
from threadmill_workers.recovery.takeover import NoteRecovery

logger = logging.getLogger("threadmill.worker")

PROBE_MS = 10_000
"""How long no second probe is sent to a queue if the first has not come through."""
SAMPLE = 2
"""Unclaimed runs of one bucket in one scan: they only tell to which queues a probe is to go."""
PAGE = 500
"""Unclaimed runs of one bucket that a probe sends again at most; the rest comes with the next."""


@dataclass(frozen=True)
class Unclaimed:
    """A run in the dispatched index that nobody has claimed in time."""

    run_id: str
    place: str
    """In the index, as it was read."""
    queue: str
    """Where its message is, or was."""


class Redelivery:
    """Finds unclaimed runs, and sends them again."""

    def __init__(
        self,
        store: Store,
        send: Callable[[Dispatch | None], None],
        send_probe: Callable[[str, int], None],
        *,
        own_queue: str | None = None,
        note_recovery: NoteRecovery = lambda _cause, _seconds: None,
    ) -> None:
        """A search.

        Args:
            store: where it looks.
            send: takes each run that is to be sent again.
            send_probe: sends a probe to a queue, with the server's time in milliseconds.
            own_queue: of a worker that consumes no other one, and takes what ended scripts left in
                theirs. None: the worker is one of a fleet.
            note_recovery: called for each run whose message was lost, for the metrics.
        """
        self._store = store
        self._send = send
        self._send_probe = send_probe
        self._own_queue = own_queue
        self._note_recovery = note_recovery
        self._queues = Queues(store.namespace)

    async def probe_queues(
        self, found: Sequence[tuple[str, str]], now: int, workers: Sequence[WorkerInfo]
    ) -> None:
        """Send probes where runs are unclaimed; take or put off those that nobody can take.

        Args:
            found: unclaimed runs, with their places in the index.
            now: the server's time in milliseconds.
            workers: those that are registered.
        """
        if not workers:  # this one is not registered yet, or the check of the workers failed
            return
        consumed = {queue for worker in workers for queue in worker.queues}
        for unclaimed in await self._read(found):
            if unclaimed.queue not in consumed:
                # No worker consumes that queue: a message there would wait for one as the first
                # does. Until one comes, the run must not hide others from this scan.
                dispatch = await self._store.indexes.resend(unclaimed.run_id, unclaimed.place)
                if self._own_queue is not None:
                    self._send(dispatch)
        if found:
            # All of them: a long queue may hide from this scan what was lost in a short one.
            for queue in sorted(self._to_probe(workers)):
                await self._probe(queue, now)

    def _to_probe(self, workers: Sequence[WorkerInfo]) -> set[str]:
        """The queues in which runs are waited for, but for those that one worker consumes."""
        if self._own_queue is not None:
            return {self._own_queue}
        shared = {queue for one in workers for queue in one.queues if queue != one.queue}
        return shared - {self._queues.door}

    async def _probe(self, queue: str, now: int) -> None:
        if await self._store.indexes.begin_probe(queue, now, lifetime_ms=PROBE_MS):
            self._send_probe(queue, now)

    async def resend_lost(self, queue: str, until: int) -> None:
        """A probe has come through: send again what was sent before it and is unclaimed.

        Args:
            queue: where the probe was sent to; nothing happens if none was.
            until: the server's time in milliseconds when it was sent.
        """
        if not self._queues.knows(queue):
            return
        scan = await self._store.indexes.scan(until, overdue=0, unclaimed=PAGE)
        sent = []
        for unclaimed in await self._read(scan.unclaimed):
            if unclaimed.queue == queue:
                dispatch = await self._store.indexes.resend(unclaimed.run_id, unclaimed.place)
                self._send(dispatch)
                if dispatch is not None:
                    sent.append(dispatch.run_id)
                    self._note_recovery("lost_message", None)
        if sent:
            logger.warning(
                "resent to queue %s, because no worker had claimed them: %s", queue, list_runs(sent)
            )
        await self._store.indexes.end_probe(queue)

    async def _read(self, found: Sequence[tuple[str, str]]) -> list[Unclaimed]:
        """Learn in which queues they are looked for."""
        records = await self._store.runs.queues_and_attempts([run_id for run_id, _ in found])
        unclaimed = []
        for (run_id, place), (queue, attempts) in zip(found, records, strict=True):
            if queue is None:  # its record was deleted by hand; the script takes its entry away
                await self._store.indexes.resend(run_id, place)
            else:
                unclaimed.append(Unclaimed(run_id, place, self._queue(queue, attempts)))
        return unclaimed

    def _queue(self, queue: str, attempts: int) -> str:
        is_begun = attempts > 0 and self._own_queue is None
        return self._queues.of_begun(queue) if is_begun else queue
