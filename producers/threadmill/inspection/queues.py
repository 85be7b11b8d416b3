"""The queues of a fleet: what waits in each, for how long, and who consumes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from threadmill.inspection.workers import WorkerView
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.waiting import QueuedRuns


@dataclass(frozen=True)
class QueueView:
    """One queue."""

    name: str
    runs: int
    """Queued runs that wait in it; an estimate if there are many."""
    oldest_seconds: float | None
    """For how long the first of them has waited; None: there is none."""
    messages: int | None
    """Messages that the broker has in it; None: the broker does not say."""
    workers: int
    """Live workers that consume it; those that are stopping do not."""


def queue_views(
    *,
    namespace: str,
    queued: Iterable[QueuedRuns],
    workers: Sequence[WorkerView],
    lengths: Mapping[str, int | None],
) -> list[QueueView]:
    """The queues in which runs or messages wait, and those that several workers may consume.

    Args:
        namespace: of the store.
        queued: the runs that wait for a worker.
        workers: the registered ones.
        lengths: what the broker says of queues.
    """
    waiting = {queue_of(one, namespace): one for one in queued}
    names = {*waiting, *shared_queues(workers), *(name for name, n in lengths.items() if n)}
    return [
        QueueView(
            name=name,
            runs=waiting[name].runs if name in waiting else 0,
            oldest_seconds=waiting[name].oldest_seconds if name in waiting else None,
            messages=lengths.get(name),
            workers=sum(name in one.queues for one in workers if one.takes_runs),
        )
        for name in sorted(names)
    ]


def queue_of(runs: QueuedRuns, namespace: str) -> str:
    """The queue that their messages are in."""
    return Queues(namespace).of_begun(runs.queue) if runs.has_begun else runs.queue


def shared_queues(workers: Iterable[WorkerView]) -> set[str]:
    """The queues that more than one worker may consume."""
    return {queue for one in workers for queue in one.queues if queue != one.own_queue}
