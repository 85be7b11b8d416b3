"""One run's log as all who follow it in this process read it: each page once.

Many tails of one run wait for the same events: what one of them has read and decoded serves all
that are at the same place. Each keeps its own place, so one that is slow, or joins late, reads for
itself what the others have behind them, and takes part again where they are. No tail waits for
another.
"""

from __future__ import annotations

import asyncio
import contextlib
import marshal
from collections.abc import Sequence
from dataclasses import dataclass

from threadmill_shared.events.decoder import Event, LogDecoder
from threadmill_shared.events.notifications import ChannelListener
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.store.logs import Logs, RawEntry, lacks_text, read_entries

READ_ENTRIES = 101
"""How many entries are read at once: a page, behind the last one that was seen. One of a fast model
may have hundreds of tokens, and whoever reads slowly holds what was read for it."""
_KEPT_EVENTS, _KEPT_BYTES = 512, 1_000_000
"""How much is kept at most for tails that are somewhat behind, if there are several tails."""

_Place = tuple[int, str | None]
"""Number of the event, and id of the entry, that a reader has read last."""


@dataclass(slots=True)
class LogPage:
    """What comes behind a place in a log."""

    base: RawEntry | None
    """The entry that its readers have read last."""
    events: list[Event]
    last: RawEntry | None
    """Its last entry, or else `base`."""
    is_full: bool
    """Whether there may be more."""
    is_rewound: bool
    """Whether `base` is no longer stored."""
    has_base: bool = False
    """Whether it was found as it was."""
    _shared: bytes = b""
    """The events once more, if others take them, too."""

    @property
    def size(self) -> int:
        """Bytes of the events that others take."""
        return len(self._shared)

    def share(self) -> None:
        """Have everyone who takes the events get some of their own."""
        parts = [(one.id, one.event, one.data, one.at) for one in self.events]
        self._shared = marshal.dumps(parts)  # of what copies JSON, this is the fastest by far

    def take(self) -> list[Event]:
        """The events; whoever takes them may change their data, which nobody else sees."""
        if self._shared:
            return [Event(*parts) for parts in marshal.loads(self._shared)]  # noqa: S302  our own
        return self.events


class LogListener(ChannelListener):
    """Is set when there is something to read."""

    def __init__(self) -> None:
        super().__init__()
        self.log: SharedLog | None = None
        """What reads it for all that follow it."""
        self._latest = 0
        """Number of the last event that a notification has named."""
        self._tried = (0, 0)

    def notify(self, message: str) -> None:
        """Wake the waiting reader, as soon as what the message is about was read."""
        if message.isdigit():
            self._latest = int(message)
        if self.log is None or not self.log.read_for(self, self._latest):
            self.set()

    async def wait_behind(self, after: int, seconds: float) -> bool:
        """Wait until there is an event behind number `after`; whether there was one in time.

        After a failover events may have smaller numbers; the reader then looks when time is over.
        """
        # Others know more if this one has begun to listen later. At most once for each: what a
        # notification has named may be lost by now.
        latest = max(self._latest, self.log.latest if self.log is not None else 0)
        if latest > after and self._tried != (latest, after):
            self._tried = (latest, after)
            return True
        return await self.wait_for(seconds, lambda: self._latest > after)


class SharedLog:
    """The pages of one run's log."""

    def __init__(self, logs: Logs, record: RunRecord) -> None:
        """Nothing is read yet.

        Args:
            logs: the store's.
            record: the run's, as any of its readers has read it.
        """
        self.readers = 0
        """How many follow it at the moment."""
        self._logs = logs
        self._run_id = record.id
        self._decoder = LogDecoder(record)
        self._newest: tuple[int, RawEntry | None] = (0, None)
        """The place behind all that was read."""
        self._notified = 0
        self._informed: list[LogListener] = []
        """Those that wait for what a notification is about, and is being read."""
        self._asked: tuple[int, RawEntry | None] = (0, None)
        """The place behind which it is read."""
        self._next_read = logs.read_of(
            record.id, READ_ENTRIES, place=self._place_to_read, take=self._take
        )
        self._ahead: tuple[_Place, LogPage] | None = None
        """What was read for the only reader."""
        self._kept: dict[_Place, LogPage] = {}
        self._reading: dict[_Place, asyncio.Task[LogPage]] = {}

    def close(self) -> None:
        """Nobody follows it any more."""
        self._next_read.close()

    @property
    def latest(self) -> int:
        """Number of the last event that anybody who follows it has read or was told of."""
        return max(self._notified, self._newest[0])

    async def page(self, after: int, base: RawEntry | None) -> LogPage:
        """What comes after event `after`, of which `base` is the entry; None: none was read yet.

        What was written during the call may be missing.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreIncompatible: a later release has written it.
        """
        place = _place(after, base)
        kept = self._kept.get(place) or self._read_ahead(place)
        if kept is not None and kept.base == base:
            return kept
        if self.readers == 1:  # nobody to share a read with
            page = await self._read(after, base)
            self._note(place, page)
            return page
        reading = self._reading.get(place)
        if reading is None:
            reading = self._reading[place] = asyncio.ensure_future(self._read(after, base))
            reading.add_done_callback(lambda task: self._note_read(place, task))
        page = await asyncio.shield(reading)
        return page if page.base == base else await self._read(after, base)

    def _read_ahead(self, place: _Place) -> LogPage | None:
        """What was read for the only reader; once, since it may change the events."""
        ahead, self._ahead = self._ahead, None
        return ahead[1] if ahead is not None and ahead[0] == place else None

    async def page_of(self, after: int, base: RawEntry | None, found: list[RawEntry]) -> LogPage:
        """The same, of entries that were read from number `after` on.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreIncompatible: a later release has written it.
        """
        place = _place(after, base)
        kept = self._kept.get(place)
        # What is kept may have been read when there was less.
        if kept is not None and kept.base == base and kept.last == (found[-1] if found else base):
            return kept
        page = await self._page(after, base, found)
        self._note(place, page)
        return page

    # ---- reading what a notification is about ----------------------------------------------------

    def read_for(self, listener: LogListener, number: int) -> bool:
        """Read what a notification is about, and set the listener then; False: it does not wait.

        Else each tail would be woken twice: by the notification, and by the answer of the read that
        it begins. All logs of which there is something new are read in one round trip.
        """
        self._notified = number
        if listener.is_waiting:
            self._informed.append(listener)
            self._next_read.put()
        return listener.is_waiting

    def _place_to_read(self) -> int | None:
        if self._notified <= self._newest[0]:
            return None
        self._asked = self._newest
        return self._asked[0]

    def _take(self, found: list[RawEntry] | None) -> None:
        """Take what was read; whoever waits, and cannot be given it, finds out for itself."""
        if found is not None:
            with contextlib.suppress(Exception):
                self._keep_ahead(found)
        self._wake()

    def _keep_ahead(self, found: list[RawEntry]) -> None:
        after, base = self._asked
        new = self._new(base, found)
        if not new or self._asked != self._newest:
            return
        events = self._decoder.deltas(new, after)
        if events is None:
            entries = read_entries(new)
            if any(map(lacks_text, entries)):
                return
            events = self._events_of(entries, after)
        page = LogPage(base, events, found[-1], len(found) == READ_ENTRIES, is_rewound=False)
        place = _place(after, base)
        self._note(place, page)
        if self.readers == 1:
            self._ahead = place, page

    def _wake(self) -> None:
        informed, self._informed = self._informed, []
        for listener in informed:
            listener.set()

    # ---- reading ---------------------------------------------------------------------------------

    async def _read(self, after: int, base: RawEntry | None) -> LogPage:
        found = await self._logs.raw_entries(self._run_id, after, READ_ENTRIES)
        return await self._page(after, base, found)

    async def _page(self, after: int, base: RawEntry | None, found: list[RawEntry]) -> LogPage:
        new = self._new(base, found)
        if new is None:
            return LogPage(base, [], base, len(found) == READ_ENTRIES, is_rewound=True)
        events = self._events_of(await self._logs.parse(self._run_id, new), after)
        last = found[-1] if found else base
        is_full, has_base = len(found) == READ_ENTRIES, len(new) < len(found)
        return LogPage(base, events, last, is_full, is_rewound=False, has_base=has_base)

    def _events_of(self, entries: Sequence[LogEntry], after: int) -> list[Event]:
        return [event for entry in entries for event in self._decoder.events(entry, after)]

    def _new(self, base: RawEntry | None, found: list[RawEntry]) -> list[RawEntry] | None:
        """The entries behind `base`; None: the log has gone back to before it."""
        if base is None:
            return found
        if not found:
            self._forget()
            return found
        if found[0] == base:
            return found[1:]
        if _entry(found[0]).agrees_with(_entry(base)):  # it was compacted
            return found
        self._forget()
        return None

    def _forget(self) -> None:
        """Forget what was read: the log has gone back, or has expired."""
        self._kept.clear()
        self._newest = (0, None)

    def _note_read(self, place: _Place, task: asyncio.Task[LogPage]) -> None:
        del self._reading[place]
        if not task.cancelled() and task.exception() is None:  # else whoever waits for it is told
            self._note(place, task.result())

    def _note(self, place: _Place, page: LogPage) -> None:
        if not page.events:
            return
        if page.events[-1].id > self._newest[0]:
            self._newest = page.events[-1].id, page.last
        if self.readers > 1:
            page.share()
            self._kept[place] = page
            while self._keeps_too_much():
                del self._kept[next(iter(self._kept))]

    def _keeps_too_much(self) -> bool:
        pages = self._kept.values()
        events, size = sum(len(one.events) for one in pages), sum(one.size for one in pages)
        return events > _KEPT_EVENTS or size > _KEPT_BYTES


def _place(after: int, base: RawEntry | None) -> _Place:
    return after, base and base[0]


def _entry(raw: RawEntry) -> LogEntry:
    id, fields = raw
    return LogEntry.read(id, field_map(fields))
