"""How a run has ended: the one log line that says it, and the metrics that count it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from threadmill_shared.log_text import about
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import RunRecord, Status
from threadmill_workers.execution.turn import stored_usage
from threadmill_workers.logs.fields import run_fields
from threadmill_workers.metrics.recorder import MetricsRecorder

logger = logging.getLogger("threadmill.worker")

_LEVELS = {
    Status.FAILED: logging.WARNING,
    Status.EXPIRED: logging.WARNING,
    Status.INCOMPLETE: logging.INFO,
    Status.CANCELLED: logging.INFO,
    Status.COMPLETED: logging.DEBUG,
}


@dataclass(frozen=True)
class RunEnd:
    """How a run has ended, without anything that was said in it."""

    record: RunRecord
    """As it was claimed, or as it is stored now."""
    status: Status
    seconds: float
    """Since the run's first claim."""
    tokens: int
    error: LastError | None = None

    @classmethod
    def of(cls, record: RunRecord) -> RunEnd:
        """The end of a run that is stored as ended."""
        tokens = stored_usage(record.usage).total_tokens
        return cls(record, record.status, record.seconds, tokens, record.last_error)

    def report(self, metrics: MetricsRecorder) -> None:
        """Write the line, and count the end; whoever reports an end does it once."""
        self._log()
        metrics.note_end(self.record, self.status, self.seconds)

    def _log(self) -> None:
        """Write the line, at a level that says how much it matters."""
        record, error = self.record, ""
        level = _LEVELS.get(self.status, logging.INFO)
        if not logger.isEnabledFor(level):
            return
        if self.error is not None:
            error = f", error {self.error.code} {self.error.for_log}"
        logger.log(
            level,
            "%s %s, thread %s, assistant %r, %.3f s, attempt %d, %d tokens%s",
            record.id,
            self.status,
            record.thread_id,
            record.request.assistant_name,
            self.seconds,
            record.attempts,
            self.tokens,
            error,
            extra=about(
                **run_fields(record),
                status=str(self.status),
                seconds=round(self.seconds, 3),
                tokens=self.tokens,
                error=self.error.name if self.error is not None else None,
            ),
        )
