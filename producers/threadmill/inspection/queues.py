"""The queues of a fleet: what waits in each, for how long, and who consumes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from threadmill.inspection.workers import WorkerView
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.inspection import DispatchedRun


@dataclass(frozen=True)
class QueueView:
    """One queue."""

    name: str
    runs: int
    """Queued runs that wait in it, of those that were looked at."""
    oldest_seconds: float | None
    """For how long the first of them has waited; None: there is none."""
    messages: int | None
    """Messages that the broker has in it; None: the broker does not say."""
    workers: int
    """Live workers that consume it; those that are stopping do not."""


def queue_views(
    *,
    namespace: str,
    queued: Iterable[DispatchedRun],
    workers: Sequence[WorkerView],
    lengths: Mapping[str, int | None],
    now: int,
) -> list[QueueView]:
    """The queues in which runs or messages wait, and those that several workers may consume.

    Args:
        namespace: of the store.
        queued: the runs that wait for a worker.
        workers: the registered ones.
        lengths: what the broker says of queues.
        now: the server's time in milliseconds.
    """
    waiting: dict[str, list[int]] = {}
    for run in queued:
        waiting.setdefault(queue_of(run, namespace), []).append(run.since)
    names = {*waiting, *shared_queues(workers), *(name for name, n in lengths.items() if n)}
    return [
        QueueView(
            name=name,
            runs=len(waiting.get(name, ())),
            oldest_seconds=(now - min(waiting[name])) / 1000 if name in waiting else None,
            messages=lengths.get(name),
            workers=sum(name in one.queues for one in workers if one.takes_runs),
        )
        for name in sorted(names)
    ]


def queue_of(run: DispatchedRun, namespace: str) -> str:
    """The queue that its message is in."""
    return Queues(namespace).of_begun(run.queue) if run.has_begun else run.queue


def shared_queues(workers: Iterable[WorkerView]) -> set[str]:
    """The queues that more than one worker may consume."""
    return {queue for one in workers for queue in one.queues if queue != one.own_queue}
