"""Sends runs again whose Celery message is lost, once it is proved to be.

How long a message may take, nobody knows: a queue may be long, and a worker may hold what it cannot
begin yet. So when a run has not been claimed for a while, a *probe* is sent to its queue. Whoever
executes the probe knows that all that was sent before it has been delivered or lost, and sends
again what is still unclaimed. A busy queue delays its probe as it delays everything else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from threadmill_shared.messaging import Queues
from threadmill_shared.registry import WorkerInfo
from threadmill_shared.runs import Dispatch
from threadmill_shared.store import Store

logger = logging.getLogger("threadmill.worker")

PROBE_MS = 10_000
"""How long no second probe is sent to a queue where the first has not come through."""
SAMPLE = 2
"""Unclaimed runs of one bucket in one look: they only tell to which queues a probe is to go."""
PAGE = 500
"""Unclaimed runs of one bucket that a probe sends again at most; the rest comes with the next."""


@dataclass(frozen=True)
class Unclaimed:
    """A run in the dispatched index that nobody has claimed in time."""

    run_id: str
    due: str
    """Its score in the index, as it was read."""
    queue: str
    """Where its message is, or was."""


class Resending:
    """Finds unclaimed runs, and sends them again."""

    def __init__(
        self,
        store: Store,
        send: Callable[[Dispatch | None], None],
        send_probe: Callable[[str, int], None],
        *,
        own_queue: str | None = None,
    ) -> None:
        """A search.

        Args:
            store: where it looks.
            send: takes each run that is to be sent again.
            send_probe: sends a probe to a queue, with the server's time in milliseconds.
            own_queue: of a worker that consumes no other one, and takes what ended scripts left in
                theirs. None: the worker is one of a fleet.
        """
        self._store = store
        self._send = send
        self._send_probe = send_probe
        self._own_queue = own_queue
        self._begun = Queues(store.keys.namespace).begun

    async def look(self, now: int, workers: Sequence[WorkerInfo]) -> None:
        """Send probes where runs are unclaimed; take or put off those that nobody can take."""
        if not workers:  # this one is not registered yet, or the look at the workers failed
            return
        consumed = {queue for worker in workers for queue in worker.queues}
        probed: set[str] = set()
        for unclaimed in await self._unclaimed(now, SAMPLE):
            if unclaimed.queue not in consumed:
                # No worker consumes that queue: a message there would wait for one as the first
                # does. Until one comes, the run must not hide others from this look.
                dispatch = await self._store.resend(unclaimed.run_id, unclaimed.due)
                if self._own_queue is not None:
                    self._send(dispatch)
            elif self._own_queue in (None, unclaimed.queue) and unclaimed.queue not in probed:
                probed.add(unclaimed.queue)
                await self._probe(unclaimed.queue, now)

    async def _probe(self, queue: str, now: int) -> None:
        key = self._store.keys.probe(queue)
        if await self._store.read("SET", key, now, "NX", "PX", PROBE_MS):
            self._send_probe(queue, now)

    async def probed(self, queue: str, until: int) -> None:
        """A probe has come through: send again what was sent before it and is unclaimed.

        Args:
            queue: where the probe was sent to.
            until: the server's time in milliseconds when it was sent.
        """
        for unclaimed in await self._unclaimed(until, PAGE):
            if unclaimed.queue == queue:
                dispatch = await self._store.resend(unclaimed.run_id, unclaimed.due)
                if dispatch is not None:
                    logger.warning("%s was not claimed; it is sent again", unclaimed.run_id)
                self._send(dispatch)
        await self._store.read("UNLINK", self._store.keys.probe(queue))

    async def _unclaimed(self, until: int, count: int) -> list[Unclaimed]:
        """Runs that ought to have been claimed by then, `count` of each bucket at most."""
        window = ("-inf", until, "WITHSCORES", "LIMIT", 0, count)
        pages = await self._store.gather(
            ("ZRANGEBYSCORE", f"{bucket}dispatched", *window)
            for bucket in self._store.keys.buckets()
        )
        due = {run_id: score for page in pages for run_id, score in _scores(page)}
        records = await self._store.gather(
            ("HMGET", self._store.keys.run(run_id), "queue", "attempts") for run_id in due
        )
        return list(self._read(due, records))

    def _read(self, due: dict[str, str], records: list[list[str]]) -> Iterable[Unclaimed]:
        for (run_id, score), (queue, attempts) in zip(due.items(), records, strict=True):
            if queue is not None:
                has_begun = int(attempts) > 0 and self._own_queue is None
                yield Unclaimed(run_id, score, self._begun if has_begun else queue)


def _scores(page: Sequence[object]) -> Iterable[tuple[str, str]]:
    """Members and scores, from the flat list or the pairs that a client makes of the reply."""
    flat = [part for pair in page for part in (pair if isinstance(pair, (list, tuple)) else [pair])]
    for run_id, score in zip(flat[::2], flat[1::2], strict=True):
        yield str(run_id), f"{float(str(score)):.0f}"
