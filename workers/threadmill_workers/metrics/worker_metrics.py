"""The metrics of one worker process: off, or counted and served."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from threadmill_shared.records.definition import Definition
from threadmill_shared.settings import Settings
from threadmill_shared.tools.thread_counts import ThreadCounts
from threadmill_workers.metrics.recorder import MetricsRecorder

if TYPE_CHECKING:
    from threadmill_workers.metrics.prometheus import PrometheusMetrics
    from threadmill_workers.metrics.server import MetricsServer


class WorkerMetrics:
    """Counts if `THREADMILL_METRICS_PORT` is set, and serves between `start` and `close`."""

    def __init__(
        self,
        settings: Settings,
        *,
        definitions: Iterable[Definition],
        running: Callable[[], int],
        tool_threads: Callable[[], ThreadCounts],
    ) -> None:
        """Nothing is served yet.

        Args:
            settings: with the port and the address.
            definitions: the assistants that the worker publishes.
            running: how many runs the worker executes; read from other threads.
            tool_threads: what its threads for tools do; read from other threads, too.
        """
        self._settings = settings
        self._counted: PrometheusMetrics | None = None
        self._server: MetricsServer | None = None
        if settings.metrics_port is not None:
            # Imported only now: a worker without metrics need not have the package's memory.
            from threadmill_workers.metrics.prometheus import PrometheusMetrics  # noqa: PLC0415

            self._counted = PrometheusMetrics(settings.namespace)
            self._counted.expect(definitions)
            self._counted.watch(running=running, tool_threads=tool_threads)

    @property
    def recorder(self) -> MetricsRecorder:
        """What takes note of what happens."""
        return self._counted or MetricsRecorder()

    def start(self) -> None:
        """Serve them, if they are on; a warning says so if that is not possible."""
        if self._counted is None or self._settings.metrics_port is None:
            return
        from threadmill_workers.metrics.server import MetricsServer  # noqa: PLC0415  see above

        self._server = MetricsServer.start(
            self._counted.registry, self._settings.metrics_host, self._settings.metrics_port
        )
        if self._server is not None:
            self._counted.address = self._server.address

    def close(self) -> None:
        """Stop serving."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
