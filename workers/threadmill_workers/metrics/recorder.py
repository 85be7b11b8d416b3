"""What the rest of a worker says to its metrics; it does not know Prometheus."""

from __future__ import annotations

from threadmill_shared.records.run import RunRecord, Status


class MetricsRecorder:
    """Takes note of what happens in a worker. This one forgets it: metrics are off.

    Every method is called from the event loop, and must cost next to nothing.
    """

    def note_end(self, record: RunRecord, status: Status, seconds: float) -> None:
        """Take note of a run's end, which this worker reports.

        Args:
            record: the run.
            status: how it has ended.
            seconds: since its first claim.
        """
