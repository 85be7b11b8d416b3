"""The metrics of a gateway, as Prometheus counts them. docs/metrics.md says what each means."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from threadmill_gateway.metrics.recorder import MetricsRecorder

ROUND_TRIP_PAUSE = 0.1
"""Seconds between two round trips to the store that are measured; there may be thousands."""

_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper ends of the histograms' buckets."""


class PrometheusMetrics(MetricsRecorder):
    """Counts in a registry of its own, so that those of an application around it stay apart."""

    def __init__(self, namespace: str) -> None:
        """Nothing has happened yet; `namespace` is the store's."""
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "threadmill_gateway_requests_total",
            "Requests by call and status.",
            ("call", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "threadmill_gateway_request_seconds",
            "From a request to the beginning of its answer.",
            ("call",),
            buckets=_REQUESTS,
            registry=self.registry,
        )
        self._in_use = Gauge(
            "threadmill_gateway_in_use",
            "Requests and streams that are served now.",
            ("kind",),
            registry=self.registry,
        )
        self._round_trips = Histogram(
            "threadmill_store_roundtrip_seconds",
            "Round trips to Redis, a sample.",
            buckets=_MILLISECONDS,
            registry=self.registry,
        )
        info = Gauge(
            "threadmill_build_info",
            "Always 1.",
            ("version", "python", "namespace"),
            registry=self.registry,
        )
        info.labels(version("threadmill"), platform.python_version(), namespace).set(1)
        self._measures_round_trips_at = float("-inf")

    def watch(self, *, requests: Callable[[], int], streams: Callable[[], int]) -> None:
        """Name what is read whenever somebody asks for the metrics, in another thread."""
        self._in_use.labels("requests").set_function(requests)
        self._in_use.labels("streams").set_function(streams)

    def note_request(self, call: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(call, str(status)).inc()
        self._seconds.labels(call).observe(seconds)

    def note_round_trip(self, seconds: float) -> None:
        """Count a round trip, unless another one was counted a moment ago."""
        now = time.monotonic()
        if now >= self._measures_round_trips_at:
            self._measures_round_trips_at = now + ROUND_TRIP_PAUSE
            self._round_trips.observe(seconds)
