"""Compacts the logs of runs that have ended."""

from __future__ import annotations

from threadmill_shared.store.logs import Logs
from threadmill_workers.execution.ended_logs import EndedLogs

COMPACT_SECONDS = 2.0
"""Between two looks for logs to compact."""
_AT_ONCE = 8
"""In a cluster all nodes are asked once for so many whether they are followed."""


class LogCompaction:
    """Makes logs shorter that nobody follows any more: most of what a run takes in Redis."""

    def __init__(self, logs: Logs, ended: EndedLogs) -> None:
        """Nothing is compacted yet.

        Args:
            logs: the store's.
            ended: the runs whose logs are to be compacted.
        """
        self._logs = logs
        self._ended = ended

    async def compact(self) -> None:
        """Compact the logs of all runs that have ended a while ago."""
        while run_ids := self._ended.take(_AT_ONCE):
            await self._logs.compact(run_ids)
