"""A follower's position in a run's log, which detects that the log was set back.

A failover can set the store back to an earlier state, in which other events get the numbers that a
follower has already seen. So each read begins with the last entry that was seen, and compares it
with the entry that is stored there now. That costs no round trip and no parsing.

Some time after a run's end its log is compacted (`lua/compact.lua`): one entry of joined texts
takes the place of many, with the same events under the same numbers.
"""

from __future__ import annotations

from threadmill_shared import errors
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.shared_log import LogPage, SharedLog
from threadmill_shared.records.run import RunProgress, RunRecord
from threadmill_shared.store.logs import RawEntry


class Cursor:
    """Reads a log from a position on, in pages."""

    def __init__(self, log: SharedLog, record: RunRecord, after: int) -> None:
        """Nothing is read yet; the first event will be the one after number `after`."""
        self.after = after
        """Number of the last event that was read."""
        self.is_behind = False
        """Whether the last page was full, so that there may be more."""
        self.run_id = record.id
        self.is_unchanged = False
        """Whether the log ended with the last entry that was seen, when it was read last."""
        self._log = log
        self._last = record.events
        self._seen: RawEntry | None = None

    async def read(self) -> list[Event]:
        """The next events, as far as they exist.

        Raises:
            LogRewound: what was read last is no longer stored.
            EventsExpired: the next event has expired.
        """
        return self._take(await self._log.page(self.after, self._seen))

    async def take(self, found: list[RawEntry]) -> list[Event]:
        """The next events, of entries that were read from number `after` on.

        Raises:
            EventsExpired: the next event has expired.
        """
        return self._take(await self._log.page_of(self.after, self._seen, found))

    def _take(self, page: LogPage) -> list[Event]:
        if page.is_rewound:
            raise self._rewound()
        self.is_unchanged = not page.events and page.has_base
        # Only now: a read that fails on the way is retried.
        if page.events:
            self._refuse_gap(page.events[0].id)
            self.after = page.events[-1].id
        self._seen = page.last
        self.is_behind = page.is_full
        return page.take()

    def check(self, progress: RunProgress) -> None:
        """Compare the position with how far the run has come.

        Raises:
            LogRewound: the log ends before it. That of an ended run may, for whoever has read
                nothing of it: what lies behind its end is nothing.
        """
        if progress.events >= self.after:
            return
        if self._seen is not None:
            raise self._rewound()
        if not progress.status.is_terminal:
            raise errors.LogRewound(
                f"{self.run_id} has no event {self.after} to continue from: its log ends at "
                f"{progress.events}. If that event existed before, the store has gone back to an "
                "earlier state. Follow the run from the beginning."
            )

    def _rewound(self) -> errors.LogRewound:
        return errors.LogRewound(
            f"The log of {self.run_id} has gone back to a state before event {self.after}, "
            "which was already read: a failover lost Redis's latest writes. Follow the run "
            "from the beginning."
        )

    def _refuse_gap(self, first: int) -> None:
        if first != self.after + 1:
            raise errors.EventsExpired(
                f"Event {self.after + 1} of {self.run_id} is gone; the log begins at {first}.",
                first=first,
                last=self._last,
            )
