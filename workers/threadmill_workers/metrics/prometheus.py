"""The metrics of a worker, as Prometheus counts them. docs/metrics.md says what each means."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import get_args

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from threadmill_shared.model import Usage
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.run import TERMINAL, RunRecord, Status
from threadmill_shared.records.waiting import WaitingRuns
from threadmill_shared.records.worker_state import ProviderCondition
from threadmill_shared.tools.thread_counts import ThreadCounts
from threadmill_workers.metrics.bounded_names import BoundedNames
from threadmill_workers.metrics.fleet_gauges import FleetGauges
from threadmill_workers.metrics.recorder import (
    FAILED_OUTCOMES,
    RECOVERY_CAUSES,
    REQUEST_OUTCOMES,
    MetricsRecorder,
)
from threadmill_workers.metrics.registry import SparseRegistry

MOST_NAMES = 100
"""Of assistants, tools and models that have series of their own; the others share one."""
LONGEST_HOST = 100
ROUND_TRIP_PAUSE = 0.1
"""Seconds between two round trips to the store that are measured; there may be thousands."""

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_WAITS = (0.01, 0.025, 0.05, *_LONG)
_RECOVERY = (0.1, 0.25, 0.5, 0.75, 1, 2, 3, 4, 5, 6, 8, 10, 20, 60)
"""Upper ends of the histograms' buckets. A dead worker's runs are reassigned within a second, a
frozen one's within 6 s."""


class PrometheusMetrics(MetricsRecorder):
    """Counts in a registry of its own, so that a script's own metrics stay apart."""

    is_on = True

    def __init__(self, namespace: str) -> None:
        """Nothing has happened yet; `namespace` is the worker's, for `threadmill_build_info`."""
        self.registry = SparseRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._assistants, self._tools, self._models = (BoundedNames(MOST_NAMES) for _ in range(3))
        self._fleet = FleetGauges(namespace, MOST_NAMES)
        self.registry.register(self._fleet)
        self._measures_round_trips_at = float("-inf")
        self._make_metrics_of_runs()
        self._make_metrics_of_models()
        self._make_metrics_of_tools()
        self._make_metrics_of_the_process(namespace)

    def _make_metrics_of_runs(self) -> None:
        self._ends = self._counter(
            "threadmill_runs_total", "Runs whose end this worker reported.", "assistant", "status"
        )
        self._in_progress = self._gauge(
            "threadmill_runs_in_progress", "Runs that this worker executes."
        )
        self._queue_wait = self._histogram(
            "threadmill_queue_wait_seconds", "From a run's dispatch to its claim.", _WAITS
        )
        self._run_seconds = self._histogram(
            "threadmill_run_duration_seconds", "From a run's first claim to its end.", _LONG
        )
        self._recoveries = self._counter(
            "threadmill_recoveries_total", "Runs that this worker put right.", "cause"
        )
        self._recovery_seconds = self._histogram(
            "threadmill_recovery_seconds",
            "From a dead worker's last sign of life until a run of it could be claimed.",
            _RECOVERY,
        )

    def _make_metrics_of_models(self) -> None:
        self._first_piece = self._histogram(
            "threadmill_time_to_first_token_seconds",
            "From a model request to the first piece of its answer.",
            _SECONDS,
        )
        self._turn_seconds = self._histogram(
            "threadmill_turn_duration_seconds", "Time the model took for a turn.", _SECONDS
        )
        self._tokens = self._counter(
            "threadmill_tokens_total", "Tokens, as the provider counts them.", "model", "kind"
        )
        self._requests = self._counter(
            "threadmill_model_requests_total", "Model requests by outcome.", "model", "outcome"
        )
        self._retries = self._counter(
            "threadmill_model_retries_total", "Model requests sent again.", "reason"
        )
        self._provider = self._gauge(
            "threadmill_provider_state",
            "1 for the provider's state, judged by the last request.",
            "host",
            "state",
        )

    def _make_metrics_of_tools(self) -> None:
        self._tool_seconds = self._histogram(
            "threadmill_tool_duration_seconds", "Tool calls.", _SECONDS, "tool", "outcome"
        )
        self._tool_threads = self._gauge(
            "threadmill_tool_threads", "Threads for synchronous tools, and calls waiting.", "state"
        )

    def _make_metrics_of_the_process(self, namespace: str) -> None:
        self._round_trips = self._histogram(
            "threadmill_store_roundtrip_seconds", "Round trips to Redis, a sample.", _MILLISECONDS
        )
        self._loop_lag = self._histogram(
            "threadmill_loop_lag_seconds", "How late the event loop was.", _MILLISECONDS
        )
        info = self._gauge("threadmill_build_info", "Always 1.", "version", "python", "namespace")
        info.labels(version("threadmill"), platform.python_version(), namespace).set(1)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def watch(
        self, *, running: Callable[[], int], tool_threads: Callable[[], ThreadCounts]
    ) -> None:
        """Name what is read whenever somebody asks for the metrics, in another thread.

        Args:
            running: how many runs the worker executes.
            tool_threads: what the threads for tools do.
        """
        self._in_progress.set_function(running)
        for state in ("limit", "busy", "abandoned", "waiting"):
            count = partial(_count, tool_threads, state)
            self._tool_threads.labels(state).set_function(count)

    def watch_provider(self, host: str, condition: Callable[[], str]) -> None:
        """Show which state the provider has, whenever somebody asks."""
        for state in get_args(ProviderCondition):
            is_so = partial(_is, condition, state)
            self._provider.labels(host[:LONGEST_HOST], state).set_function(is_so)

    def expect(self, definitions: Iterable[Definition]) -> None:
        """Show 0 for what has not happened yet: a series' first value is no increase.

        Args:
            definitions: the assistants that the worker publishes.
        """
        for definition in definitions:
            for status in TERMINAL:
                self._ends.labels(self._assistants.label(definition.name), status.value)
            for outcome in REQUEST_OUTCOMES:
                self._requests.labels(self._models.label(definition.model), outcome)
            self.note_tokens(definition.model, Usage())
        for outcome in FAILED_OUTCOMES:
            self._retries.labels(outcome)
        for cause in RECOVERY_CAUSES:
            self._recoveries.labels(cause)

    # ---- runs ------------------------------------------------------------------------------------

    def note_claim(self, waited: float | None) -> None:
        """Count how long a run has waited for a worker."""
        if waited is not None:
            self._queue_wait.observe(waited)

    def note_end(self, record: RunRecord, status: Status, seconds: float) -> None:
        """Count a run's end; one that nobody has begun has no duration."""
        assistant = self._assistants.label(record.request.assistant_name)
        self._ends.labels(assistant, status.value).inc()
        if record.started_at is not None:
            self._run_seconds.observe(seconds)

    def note_recovery(self, cause: str, seconds: float | None) -> None:
        """Count a run that was put right."""
        self._recoveries.labels(cause).inc()
        if seconds is not None:
            self._recovery_seconds.observe(seconds)

    def note_fleet(
        self, waiting: WaitingRuns | None, workers: Mapping[str, int], until: float
    ) -> None:
        """Show how many runs of the fleet wait, and how many workers it has, until then."""
        self._fleet.show(waiting, until, workers)

    # ---- models and tools ------------------------------------------------------------------------

    def note_request(self, model: str, outcome: str) -> None:
        """Count a model request."""
        self._requests.labels(self._models.label(model), outcome).inc()

    def note_first_piece(self, seconds: float) -> None:
        """Count how long the model has taken to begin its answer."""
        self._first_piece.observe(seconds)

    def note_tokens(self, model: str, usage: Usage) -> None:
        """Count tokens."""
        label = self._models.label(model)
        self._tokens.labels(label, "input").inc(max(0, usage.prompt_tokens))
        self._tokens.labels(label, "output").inc(max(0, usage.completion_tokens))

    def note_retry(self, reason: str) -> None:
        """Count a model request that is sent again."""
        self._retries.labels(reason).inc()

    def note_turn(self, seconds: float) -> None:
        """Count how long a turn has taken."""
        self._turn_seconds.observe(seconds)

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        """Count a tool call."""
        self._tool_seconds.labels(self._tools.label(tool), outcome).observe(seconds)

    # ---- the process -----------------------------------------------------------------------------

    def note_round_trip(self, seconds: float) -> None:
        """Count a round trip, unless another one was counted a moment ago."""
        now = time.monotonic()
        if now >= self._measures_round_trips_at:
            self._measures_round_trips_at = now + ROUND_TRIP_PAUSE
            self._round_trips.observe(seconds)

    def note_loop_lag(self, seconds: float) -> None:
        """Count how late the event loop was."""
        self._loop_lag.observe(seconds)


def _count(tool_threads: Callable[[], ThreadCounts], state: str) -> int:
    counted: int = getattr(tool_threads(), state)
    return counted


def _is(condition: Callable[[], str], state: str) -> float:
    return float(condition() == state)
