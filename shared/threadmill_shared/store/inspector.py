"""What operators look at: where runs are, and what each of them waits for. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json
from redis.exceptions import ResponseError

from threadmill_shared.records import lenient
from threadmill_shared.records.changes import ParkedCall
from threadmill_shared.records.inspection import Census, ParkedRun, RunPlace
from threadmill_shared.records.log import LogEntry
from threadmill_shared.records.queue_lengths import QueueLengths
from threadmill_shared.records.run import RunRecord, Status, field_map
from threadmill_shared.servers.failures import REFUSED_WRITES, Failure, find_failure
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.index_names import status_index
from threadmill_shared.store.parked_runs import parked_calls, read_body
from threadmill_shared.store.session import Session

_PRIORITIES = ("", *(f"\x06\x16{step}" for step in (3, 6, 9)))
"""What kombu adds to a queue's name for messages of other priorities than the highest."""


class Inspector:
    """Reads the indexes of one namespace, a few round trips a look."""

    def __init__(self, session: Session) -> None:
        self._keys = session.keys
        self._runner = session.runner
        self._is_cluster = is_cluster(session.client)

    async def census(self) -> Census:
        """How many runs are where.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        buckets = self._keys.buckets()
        replies = await self._runner.commands(
            command
            for bucket in buckets
            for command in (
                ("ZRANGE", self._keys.holders(bucket), 0, -1),
                ("ZCARD", self._keys.dispatched(bucket)),
                ("ZCARD", self._keys.parked(bucket)),
                ("ZCARD", f"{bucket}{status_index(Status.QUEUED)}"),
            )
        )
        holders = zip(buckets, replies[::4], strict=True)
        held = [(bucket, worker) for bucket, workers in holders for worker in workers]
        counts = await self._runner.commands(
            ("ZCARD", self._keys.held(bucket, worker)) for bucket, worker in held
        )
        total: Counter[str] = Counter()
        for (_, worker), count in zip(held, counts, strict=True):
            total[worker] += int(count)
        return Census(
            now=await self._now(),
            held=total,
            dispatched=sum(map(int, replies[1::4])),
            parked=sum(map(int, replies[2::4])),
            queued=sum(map(int, replies[3::4])),
            refusal=await self.refusal(),
        )

    async def queue_lengths(self, names: Sequence[str]) -> QueueLengths:
        """How many messages are in queues of the store's Redis, as kombu keeps them there.

        `threadmill_shared.broker.queue_lengths` asks any broker, and imports Celery.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        try:
            counts = await self._runner.commands(
                ("LLEN", f"{name}{priority}") for name in names for priority in _PRIORITIES
            )
        except ResponseError as error:  # the key of a queue is something else
            return QueueLengths(error=find_failure(error).cause)
        size = len(_PRIORITIES)
        return QueueLengths(
            {name: sum(counts[at * size : (at + 1) * size]) for at, name in enumerate(names)}
        )

    async def refusal(self) -> Failure | None:
        """Why the server refuses writes; None: it takes them. Nothing is written.

        Redis looks at its memory, its disk and its role before it looks at a command's arguments,
        so a call without its last argument tells. In a cluster, each node is asked.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        keys = [self._keys.alive()]
        if self._is_cluster:
            keys += map(self._keys.holders, self._keys.buckets())
        calls = [("HSET", key, "field", "value", "no value follows") for key in keys]
        found = await asyncio.gather(*map(self._runner.refusal_of, calls))
        failures = [find_failure(error) for error in found if error is not None]
        return next((one for one in failures if one.kind in REFUSED_WRITES), None)

    async def parked(self, limit: int) -> list[ParkedRun]:
        """The runs that have been parked the longest, at most `limit` of them, oldest first."""
        pages = await self._runner.commands(
            ("ZRANGE", self._keys.parked(bucket), 0, limit - 1, "WITHSCORES")
            for bucket in self._keys.buckets()
        )
        scored = sorted((float(at), run_id) for page in pages for run_id, at in _pairs(page))
        since = {run_id: int(at) for at, run_id in scored[:limit]}
        fields = ("thread_id", "deadline", "request", "open_step", "status")
        replies = await self._runner.commands(
            command
            for run_id in since
            for command in (
                ("HMGET", self._keys.run(run_id), *fields),
                ("HGETALL", self._keys.calls(run_id)),
            )
        )
        found = zip(since.items(), replies[::2], replies[1::2], strict=True)
        return [
            _parked(run_id, at, record, marks)
            for (run_id, at), record, marks in found
            if record[-1] == "requires_action"
        ]

    async def parked_calls(self, runs: Sequence[ParkedRun]) -> list[list[ParkedCall]]:
        """For each of these runs the calls that it waits for."""
        bodies = await self._runner.commands(
            ("HGET", self._keys.steps(run.run_id), run.open_step) for run in runs
        )
        return [
            parked_calls(read_body(body), run.marks) for run, body in zip(runs, bodies, strict=True)
        ]

    async def call_failures(self, run_id: str) -> dict[str, str]:
        """In which way calls of a run have failed, by their ids; older releases did not say it."""
        fields = await self._runner.hash_fields(self._keys.steps(run_id))
        bodies = [read_body(body) for name, body in fields.items() if ":" not in name]
        found = [lenient.json_object(body.get("failures")) for body in bodies]
        return {id: lenient.text(failure) for one in found for id, failure in one.items()}

    async def place(self, run_id: str) -> RunPlace | None:
        """A run and what surrounds it; None if there is no such run."""
        keys = self._keys
        fields, marks, newest = await self._runner.commands(
            [
                ("HGETALL", keys.run(run_id)),
                ("HGETALL", keys.calls(run_id)),
                ("XREVRANGE", keys.log(run_id), "+", "-", "COUNT", 1),
            ]
        )
        if not fields:
            return None
        record = RunRecord.read(run_id, fields)
        bucket = keys.bucket(run_id)
        head, line, held_since = await self._runner.commands(
            [
                ("HGET", keys.thread(record.thread_id), "head"),
                ("ZRANGE", keys.line(record.thread_id), 0, -1),
                ("ZSCORE", keys.held(bucket, record.holder), run_id),
            ]
        )
        return RunPlace(
            now=await self._now(),
            record=record,
            marks=marks,
            head=head or "",
            ahead=tuple(line[: line.index(run_id)]) if run_id in line else (),
            held_since=_whole(held_since),
            last_entry=_newest(newest),
        )

    async def published(self) -> list[tuple[str, float, str | None]]:
        """The published assistants: name, seconds of the last publication, and definition.

        The definition is JSON, and None if it has expired.
        """
        named = await self._runner.command("ZRANGE", self._keys.names(), 0, -1, "WITHSCORES")
        found = [(name, float(at)) for name, at in _pairs(named)]
        texts = await self._runner.commands(
            ("GET", self._keys.published(name)) for name, _ in found
        )
        return [(name, at, text) for (name, at), text in zip(found, texts, strict=True)]

    async def _now(self) -> int:
        seconds, microseconds = await self._runner.command("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000


def _parked(run_id: str, since: int, fields: Sequence[str | None], marks: Any) -> ParkedRun:
    thread_id, deadline, request, step, _ = fields
    return ParkedRun(
        run_id=run_id,
        thread_id=str(thread_id),
        since=since,
        deadline=int(deadline) if deadline else None,
        assistant=_assistant_name(request),
        open_step=step or "",
        marks=marks,
    )


def _assistant_name(request: str | None) -> str:
    """The name in a run's request, of whatever release."""
    try:
        return str(from_json(request or "{}").get("assistant_name", ""))
    except ValueError:
        return ""


def _newest(found: Any) -> LogEntry | None:
    return LogEntry.read(found[0][0], field_map(found[0][1])) if found else None


def _pairs(flat: Sequence[Any]) -> list[tuple[str, Any]]:
    """Members with their scores: a flat list, or pairs already (RESP3)."""
    if flat and isinstance(flat[0], list | tuple):
        return [(member, score) for member, score in flat]
    return list(zip(flat[::2], flat[1::2], strict=True))


def _whole(score: Any) -> int | None:
    return None if score is None else int(float(score))
