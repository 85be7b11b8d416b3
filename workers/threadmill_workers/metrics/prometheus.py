"""The metrics of a worker, as Prometheus counts them. docs/metrics.md says what each means."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from threadmill_shared.records.run import RunRecord, Status
from threadmill_workers.metrics.bounded_names import BoundedNames
from threadmill_workers.metrics.recorder import MetricsRecorder

MOST_NAMES = 100
"""Of assistants, tools and models that have series of their own; the others share one."""
RUN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class PrometheusMetrics(MetricsRecorder):
    """Counts in a registry of its own, so that a script's own metrics stay apart."""

    def __init__(self, namespace: str) -> None:
        """Nothing has happened yet; `namespace` is the worker's, for `threadmill_build_info`."""
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._assistants = BoundedNames(MOST_NAMES)
        self._ends = Counter(
            "threadmill_runs_total",
            "Runs whose end this worker has reported.",
            ["assistant", "status"],
            registry=self.registry,
        )
        self._in_progress = Gauge(
            "threadmill_runs_in_progress",
            "Runs that this worker executes.",
            registry=self.registry,
        )
        self._run_seconds = Histogram(
            "threadmill_run_duration_seconds",
            "From a run's first claim to its end.",
            buckets=RUN_SECONDS,
            registry=self.registry,
        )
        Gauge(
            "threadmill_build_info",
            "Always 1; the labels say what this worker is.",
            ["version", "python", "namespace"],
            registry=self.registry,
        ).labels(version("threadmill"), platform.python_version(), namespace).set(1)

    def watch(self, *, running: Callable[[], int]) -> None:
        """Name what is read whenever somebody asks for the metrics.

        Args:
            running: how many runs the worker executes.
        """
        self._in_progress.set_function(running)

    def note_end(self, record: RunRecord, status: Status, seconds: float) -> None:
        """Count a run's end; one that nobody has begun has no duration."""
        assistant = self._assistants.label(record.request.assistant_name)
        self._ends.labels(assistant, status.value).inc()
        if record.started_at is not None:
            self._run_seconds.observe(seconds)
