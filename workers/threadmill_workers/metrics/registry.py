"""The registry of a worker's metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric


class SparseRegistry(CollectorRegistry):
    """Leaves out when each series began, a further series for each that hardly anybody reads.

    prometheus_client can leave it out only for all registries of the process, others' too.
    """

    def collect(self) -> Iterator[Metric]:
        """The metrics of all collectors."""
        for metric in super().collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric
