"""The metrics of the whole fleet, which only the elected worker shows: a sum counts them once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.waiting import WaitingRuns
from threadmill_workers.metrics.bounded_names import BoundedNames

EMBEDDED = "embedded"
"""The label of the queues of scripts' own workers: each script has one, with a name of its own."""
KINDS = ("approval", "output")
STATES = ("alive", "silent")


class FleetGauges(Collector):
    """Shows the last count until its time is over."""

    def __init__(
        self, namespace: str, most_names: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is shown yet.

        Args:
            namespace: the workers', whose common queue is always shown.
            most_names: of queues that have series of their own.
            clock: the one by which a count is over.
        """
        self._queues = Queues(namespace)
        self._names = BoundedNames(most_names)
        self._clock = clock
        self._waiting: WaitingRuns | None = None
        self._workers: Mapping[str, int] = {}
        self._until = float("-inf")
        self._seen = {self._queues.common}
        """Queues that had runs, which is no reason for their series to end when they have none."""

    def show(
        self, waiting: WaitingRuns | None, until: float, workers: Mapping[str, int] | None = None
    ) -> None:
        """Show these counts, until then; None: another worker shows its own."""
        self._waiting, self._until, self._workers = waiting, until, workers or {}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The metrics, without values."""
        yield GaugeMetricFamily(
            "threadmill_runs_queued", "Runs that wait for a worker.", labels=["queue"]
        )
        yield GaugeMetricFamily(
            "threadmill_runs_parked", "Runs that wait for somebody outside.", labels=["kind"]
        )
        yield GaugeMetricFamily(
            "threadmill_oldest_queued_seconds", "How long the oldest queued run has waited."
        )
        yield GaugeMetricFamily(
            "threadmill_oldest_parked_seconds",
            "How long the oldest run has waited for somebody outside.",
            labels=["kind"],
        )
        yield GaugeMetricFamily(
            "threadmill_workers", "Workers that are registered.", labels=["state"]
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics, unless there is no count or its time is over."""
        waiting = self._waiting
        if waiting is None or self._clock() >= self._until:
            return
        queued, parked, oldest, longest, workers = self.describe()
        for queue, number in self._by_label(waiting).items():
            queued.add_metric([queue], number)
        for kind in KINDS:
            parked.add_metric([kind], waiting.parked.get(kind, 0))
            longest.add_metric([kind], waiting.longest.get(kind, 0))
        for state in STATES:
            workers.add_metric([state], self._workers.get(state, 0))
        oldest.add_metric([], waiting.oldest_seconds)
        yield from (queued, parked, oldest, longest, workers)

    def _by_label(self, waiting: WaitingRuns) -> dict[str, int]:
        for queue in waiting.queued:
            self._seen.add(self._label(queue))
        counts = dict.fromkeys(sorted(self._seen), 0)
        for queue, number in waiting.queued.items():
            counts[self._label(queue)] += number
        return counts

    def _label(self, queue: str) -> str:
        return EMBEDDED if self._queues.is_embedded(queue) else self._names.label(queue)
