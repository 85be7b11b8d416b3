"""Reading the logs of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis.exceptions import ResponseError

from threadmill_shared.records.log import LogEntry, MessageIncomplete, abandoned_text
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.store.connections import is_cluster, subscribers
from threadmill_shared.store.log_read import LogRead, RawEntry
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.scripts.runs import RunScripts
from threadmill_shared.store.session import Session

__all__ = ["Logs", "RawEntry", "lacks_text", "read_entries"]


class Logs:
    """The logs of one namespace's runs."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._client = session.client
        self._runner = session.runner
        self._pipeline = session.pipeline
        self._scripts = RunScripts(session.keys)

    async def entries(self, run_id: str, after: int = 0) -> list[LogEntry]:
        """A page of the run's log: the entries that hold events later than number `after`."""
        return await self.parse(run_id, await self.raw_entries(run_id, after + 1, PAGE))

    async def raw_entries(self, run_id: str, first: int, count: int) -> list[RawEntry]:
        """At most `count` entries of the run's log: the one that holds event `first`, and later."""
        key = self._keys.log(run_id)
        found: list[RawEntry] = await self._runner.command(
            "XRANGE", key, first, "+", "COUNT", count
        )
        return found

    def read_of(
        self,
        run_id: str,
        count: int,
        *,
        place: Callable[[], int | None],
        take: Callable[[list[RawEntry] | None], None],
    ) -> LogRead:
        """A read of the run's log for those who wait for more of it; see `LogRead`."""
        return LogRead(self._pipeline, self._keys.log(run_id), count, place=place, take=take)

    async def parse(self, run_id: str, found: Sequence[RawEntry]) -> list[LogEntry]:
        """The entries that these are; a message that was abandoned is given its text."""
        entries = read_entries(found)
        for entry in filter(lacks_text, entries):
            for at, record in enumerate(entry.records):
                if isinstance(record, MessageIncomplete) and record.text is None:
                    entry.records[at] = await self._with_text(run_id, record, entry.last)
        return entries

    async def exists(self, run_id: str) -> bool:
        """Whether the run's log is there: it expires before the run's record."""
        return bool(await self._runner.command("EXISTS", self._keys.log(run_id)))

    async def compact(self, run_ids: Sequence[str]) -> list[str]:
        """Make what runs that have ended take less room, but not of those that are followed.

        Returns:
            For each run, in order, the outcome as `lua/compact.lua` says it.

        Raises:
            StoreUnavailable, StoreFull: as their names say.
        """
        followed = await self._followed(run_ids)
        return [
            "followed" if run_id in followed else await self._compact(run_id) for run_id in run_ids
        ]

    async def _compact(self, run_id: str) -> str:
        """One part after the other: others have their turn in between."""
        outcome = "more"
        while outcome == "more":
            outcome = (await self._runner.run_apart(self._scripts.compact(run_id=run_id)))[0]
        return outcome

    async def _followed(self, run_ids: Sequence[str]) -> set[str]:
        """Those of some runs that somebody follows at any node of a cluster.

        Of a server that is alone the script finds out itself.
        """
        if not is_cluster(self._client):
            return set()
        try:
            counts = await subscribers(self._client, [self.channel(run_id) for run_id in run_ids])
        except ResponseError:  # an ACL may forbid it
            return set(run_ids)
        return {run_id for run_id in run_ids if counts.get(self.channel(run_id), 0)}

    def channel(self, run_id: str) -> str:
        """The channel that says that there are more entries."""
        return self._keys.log(run_id)

    async def open_text(self, record: RunRecord) -> str:
        """The text so far of the message being written; empty if none is open."""
        if not record.open_message:
            return ""
        message, since = int(record.open_message), record.open_from
        return await self._text_since(record.id, message, since, record.events)

    async def _with_text(
        self, run_id: str, record: MessageIncomplete, last: int
    ) -> MessageIncomplete:
        """The record with the text that the message had, which stands in the log before it."""
        since = record.since or 0
        text = await self._text_since(run_id, record.message, since, last)
        return record._replace(text=text)

    async def _text_since(self, run_id: str, message: int, since: int, until: int) -> str:
        found = await self._runner.command("XRANGE", self._keys.log(run_id), since, until)
        return abandoned_text([LogEntry.read(id, field_map(raw)) for id, raw in found], message)


def read_entries(found: Sequence[RawEntry]) -> list[LogEntry]:
    """The entries that these are, as they are stored."""
    return [LogEntry.read(id, field_map(fields)) for id, fields in found]


def lacks_text(entry: LogEntry) -> bool:
    """Whether the entry ends a message whose text stands in the log before it."""
    return any(type(one) is MessageIncomplete and one.text is None for one in entry.records)
