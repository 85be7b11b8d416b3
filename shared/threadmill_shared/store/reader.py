"""Reading the store: records, logs, items and messages, in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from pydantic_core import from_json

from threadmill_shared import errors, ids
from threadmill_shared.records.items import Item, MessageItem
from threadmill_shared.records.log import LogEntry, MessageIncomplete, abandoned_text
from threadmill_shared.records.objects import Message, Step
from threadmill_shared.records.run import RunRecord, field_map
from threadmill_shared.store.connections import PASSING, StoreClient
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.pipeline import Pipeline
from threadmill_shared.store.scripts.runner import ScriptRunner, unavailable
from threadmill_shared.stored import reading

PAGE = 200
"""Items or log entries per read."""

RawEntry = tuple[str, Any]
"""An entry of a stream as Redis gives it: its id and its fields."""


class StoreReader:
    """What can be read of one namespace."""

    def __init__(self, client: StoreClient, namespace: str, *, patience: float = 3.0) -> None:
        """A reader on a client from `connect`; a call is repeated for `patience` seconds."""
        self.client = client
        self.keys = Keys(namespace)
        self.pipeline = Pipeline(client)
        self.scripts = ScriptRunner(self.pipeline, patience=patience)

    async def close(self) -> None:
        """Close the connections."""
        await self.pipeline.close()

    async def record(self, run_id: str) -> RunRecord | None:
        """The run's record, or None where there is no such run."""
        fields = await self.read("HGETALL", self.keys.run(run_id))
        return RunRecord.read(run_id, fields) if fields else None

    async def entries(self, run_id: str, after: int = 0) -> list[LogEntry]:
        """A page of the run's log: the entries that hold events later than number `after`."""
        return await self.parsed(run_id, await self.raw_entries(run_id, after + 1, PAGE))

    async def raw_entries(self, run_id: str, first: int, count: int) -> list[RawEntry]:
        """At most `count` entries of the run's log: the one that holds event `first`, and later."""
        key = self.keys.log(run_id)
        found: list[RawEntry] = await self.read("XRANGE", key, first, "+", "COUNT", count)
        return found

    async def parsed(self, run_id: str, found: Sequence[RawEntry]) -> list[LogEntry]:
        """Entries of the run's log as they are meant."""
        entries = [LogEntry.read(id, field_map(fields)) for id, fields in found]
        for entry in entries:
            for at, record in enumerate(entry.records):
                if isinstance(record, MessageIncomplete) and record.text is None:
                    entry.records[at] = await self._with_text(run_id, record, entry.last)
        return entries

    async def _with_text(
        self, run_id: str, record: MessageIncomplete, last: int
    ) -> MessageIncomplete:
        """The record with the text that the message had, which stands in the log before it."""
        since = record.since or 0
        text = await self._text_since(run_id, record.message, since, last)
        return record._replace(text=text)

    async def steps(self, run_id: str) -> list[Step]:
        """The run's steps, in order."""
        return Step.read_all(run_id, await self.read("HGETALL", self.keys.steps(run_id)))

    async def items(self, thread_id: str, first: int, last: int) -> list[tuple[Item, int]]:
        """The thread's items from position `first` to `last`, with their times in ms."""
        found: list[tuple[Item, int]] = []
        key = self.keys.items(thread_id)
        while first <= last:
            page = await self.read("XRANGE", key, first, last, "COUNT", PAGE)
            if not page:
                break
            for _, raw in page:
                fields = field_map(raw)
                found.append((from_json(fields["item"]), int(fields["t"])))
            first = int(page[-1][0].partition("-")[0]) + 1
        return found

    async def items_before(self, thread_id: str, last: int, count: int) -> list[Item]:
        """At most `count` items up to position `last`, oldest first."""
        found = await self.read("XREVRANGE", self.keys.items(thread_id), last, "-", "COUNT", count)
        return [from_json(field_map(raw)["item"]) for _, raw in reversed(found)]

    async def messages_of_run(self, record: RunRecord) -> list[Message]:
        """The run's messages, the user's first."""
        if record.waiting_message is not None:
            waiting = record.waiting_message
            return [_message(record.thread_id, waiting, record.created_at)]
        if not record.first:
            return []
        last = record.final or await self.last_position(record.thread_id)
        items = await self.items(record.thread_id, record.first, last)
        return [
            _message(record.thread_id, item, at) for item, at in items if item["type"] == "message"
        ]

    async def last_position(self, thread_id: str) -> int:
        """Position of the thread's last item; 0 where it has none."""
        return int(await self.read("HGET", self.keys.thread(thread_id), "last") or 0)

    async def thread_fields(self, thread_id: str) -> dict[str, str]:
        """The thread's record; empty where there is no such thread."""
        return dict(await self.read("HGETALL", self.keys.thread(thread_id)))

    async def messages(
        self, thread_id: str, limit: int, before: str | None, after: str | None
    ) -> list[Message]:
        """A page of the thread's messages, ascending.

        The newest `limit` of those before `before`; with `after`, the first `limit` behind it.

        Raises:
            BadMessage: the thread has no message `before` or `after`.
        """
        key = self.keys.messages(thread_id)
        low = f"({await self._position(key, after)}" if after else "-inf"
        high = f"({await self._position(key, before)}" if before else "+inf"
        page = ("LIMIT", 0, limit)
        if after:
            found = await self.read("ZRANGEBYSCORE", key, low, high, "WITHSCORES", *page)
        else:
            found = await self.read("ZREVRANGEBYSCORE", key, high, low, "WITHSCORES", *page)
        positions = sorted(_scores(found))
        commands = [("XRANGE", self.keys.items(thread_id), at, at) for at in positions]
        pages = await self.gather(commands)
        return [_raw_message(thread_id, raw) for page in pages for _, raw in page]

    async def runs(self, thread_id: str, limit: int) -> list[RunRecord]:
        """The thread's newest runs, oldest first."""
        found = await self.read("ZREVRANGE", self.keys.runs(thread_id), 0, limit - 1)
        run_ids = list(reversed(found))
        records = await self.gather(("HGETALL", self.keys.run(id)) for id in run_ids)
        found_records = zip(run_ids, records, strict=True)
        return [RunRecord.read(id, fields) for id, fields in found_records if fields]

    async def all_runs(self, thread_id: str) -> AsyncIterator[RunRecord]:
        """All of the thread's runs whose records are there, oldest first, read page by page."""
        key, start = self.keys.runs(thread_id), 0
        while run_ids := await self.read("ZRANGE", key, start, start + PAGE - 1):
            start += len(run_ids)
            records = await self.gather(("HGETALL", self.keys.run(id)) for id in run_ids)
            for run_id, fields in zip(run_ids, records, strict=True):
                if fields:
                    yield RunRecord.read(run_id, fields)

    async def thread_ids(self) -> AsyncIterator[str]:
        """The ids of all threads, in no order; one that is made or deleted meanwhile may be missed.

        It looks at every key of the server: for exports, not for requests.
        """
        async for key in self.keys_like(self.keys.all_threads()):
            yield key.rpartition(":")[2]

    async def keys_like(self, pattern: str) -> AsyncIterator[str]:
        """The keys that match a pattern, each once.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        seen: set[str] = set()
        try:
            async for key in self.client.scan_iter(match=pattern, count=1000):
                if key not in seen:
                    seen.add(key)
                    yield key
        except PASSING as error:
            raise unavailable(error) from error

    async def ahead(self, record: RunRecord) -> int:
        """How many runs of the thread come before this one; 0: none, or it is past waiting."""
        place = await self.read("ZRANK", self.keys.line(record.thread_id), record.id)
        return 0 if place is None else int(place) + 1

    async def read(self, *command: Any) -> Any:
        """Run one command that changes nothing, repeating it while Redis does not answer.

        Raises:
            StoreUnavailable: no answer within the store's patience.
        """
        return await self.scripts.command(*command)

    async def gather(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run commands that change nothing, in one round trip.

        Raises:
            StoreUnavailable: no answer within the store's patience.
        """
        return await self.scripts.commands(list(commands))

    async def now(self) -> int:
        """The server's time in milliseconds."""
        seconds, microseconds = await self.read("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def held_by(self, worker_id: str) -> list[str]:
        """The runs that are recorded as a worker's."""
        held = [self.keys.held(bucket, worker_id) for bucket in self.keys.buckets()]
        ask = [("ZRANGE", key, 0, -1) for key in held]
        pages = await self.scripts.ask(ask)
        return [run_id for page in pages for run_id in page]

    async def _position(self, key: str, message_id: str) -> int:
        position = await self.read("ZSCORE", key, ids.checked_message_id(message_id))
        if position is None:
            raise errors.BadMessage(f"The thread has no message {message_id}.")
        return int(float(position))

    async def open_text(self, record: RunRecord) -> str:
        """What the message being written has said so far; empty where none is open."""
        if not record.open_message:
            return ""
        message, since = int(record.open_message), record.open_from
        return await self._text_since(record.id, message, since, record.events)

    async def _text_since(self, run_id: str, message: int, since: int, until: int) -> str:
        found = await self.read("XRANGE", self.keys.log(run_id), since, until)
        return abandoned_text([LogEntry.read(id, field_map(raw)) for id, raw in found], message)


def _raw_message(thread_id: str, raw: Any) -> Message:
    fields = field_map(raw)
    return _message(thread_id, from_json(fields["item"]), int(fields["t"]))


def _message(thread_id: str, item: MessageItem, at: int) -> Message:
    with reading(item["id"]):
        return Message.read(thread_id, item, at)


def _scores(found: Sequence[Any]) -> list[int]:
    if found and isinstance(found[0], str):
        return [int(float(score)) for score in found[1::2]]
    return [int(float(score)) for _, score in found]
