"""Pages of a thread's runs and of a run's steps, in both orders, from either side of a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors, ids
from threadmill_shared.records.objects import Step
from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.index_reader import Position
from threadmill_shared.store.listed_records import ListedRecords
from threadmill_shared.store.session import Session

_MARKS = ("", ":began", ":ended", ":error")
"""What follows a step's number in the names of its fields."""


class RunPages:
    """The pages of one namespace."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._told: set[str] = set()

    # ---- runs ------------------------------------------------------------------------------------

    async def runs(self, thread_id: str, query: PageQuery) -> OrderedPage[RunRecord]:
        """A page of a thread's runs, in the order in which they were enqueued, or the reverse.

        Contexts and waiting messages are left out, as are runs whose records have expired.

        Raises:
            RunNotFound: the thread has no run of a cursor's id.
            StoreUnavailable: Redis does not answer.
        """
        older, newer = query.ends
        low, high = await self._place(thread_id, older), await self._place(thread_id, newer)
        walk = _Walk(low or "-inf", high or "+inf", ascends=query.ascends)
        records = ListedRecords(self._session, self._told)
        read: list[RunRecord] = []
        while len(read) <= query.limit and not walk.is_over:
            count = query.limit + 1 - len(read)
            found = await self._runner.command(*walk.command(self._keys.runs(thread_id), count))
            entries = walk.advance(found, count)
            read += [record for record in await records.runs(entries) if record is not None]
        return query.page_of(read)

    async def _place(self, thread_id: str, run_id: str | None) -> str | None:
        """Where a run stands among those of its thread, as an end that is left out."""
        if run_id is None:
            return None
        key = self._keys.runs(thread_id)
        score = await self._runner.command("ZSCORE", key, ids.checked_run_id(run_id))
        if score is None:
            raise errors.RunNotFound(f"{thread_id} has no run {run_id}.")
        return _excluded(float(score))

    # ---- steps -----------------------------------------------------------------------------------

    async def steps(self, run_id: str, query: PageQuery) -> OrderedPage[Step]:
        """A page of a run's steps.

        Raises:
            StepNotFound: the run has no step of a cursor's id.
            StoreUnavailable: Redis does not answer.
        """
        names = await self._runner.command("HKEYS", self._keys.steps(run_id))
        numbers = sorted(int(name) for name in names if ":" not in name)
        older, newer = [None if id is None else _number(run_id, id, numbers) for id in query.ends]
        between = [
            number
            for number in numbers
            if (older is None or number > older) and (newer is None or number < newer)
        ]
        walked = between if query.ascends else between[::-1]
        return query.page_of(await self._steps(run_id, walked[: query.limit + 1]))

    async def step(self, run_id: str, step_id: str) -> Step:
        """One step of a run.

        Raises:
            StepNotFound: the run has none with this id.
            StoreUnavailable: Redis does not answer.
        """
        number = ids.step_number(run_id, step_id)
        found = [] if number is None else await self._steps(run_id, [number])
        if not found:
            raise _step_not_found(run_id, step_id)
        return found[0]

    async def _steps(self, run_id: str, numbers: Sequence[int]) -> list[Step]:
        """Steps in the order of these numbers, without those that are gone."""
        names = [f"{n}{mark}" for n in numbers for mark in _MARKS]
        if not names:
            return []
        values = await self._runner.command("HMGET", self._keys.steps(run_id), *names)
        pairs = zip(names, values, strict=True)
        fields = {name: value for name, value in pairs if value is not None}
        steps = {step.id: step for step in Step.read_all(run_id, fields)}
        found = [steps.get(ids.step_id(run_id, number)) for number in numbers]
        return [step for step in found if step is not None]


class _Walk:
    """Reads a sorted set piece by piece, between two ends."""

    def __init__(self, low: str, high: str, *, ascends: bool) -> None:
        self._low, self._high, self._ascends = low, high, ascends
        self.is_over = False

    def command(self, key: str, count: int) -> tuple[Any, ...]:
        limit = ("WITHSCORES", "LIMIT", 0, count)
        if self._ascends:
            return ("ZRANGEBYSCORE", key, self._low, self._high, *limit)
        return ("ZREVRANGEBYSCORE", key, self._high, self._low, *limit)

    def advance(self, found: Sequence[Any], count: int) -> list[Position]:
        """The entries that a command has found; the next one begins behind them."""
        entries = _positions(found)
        self.is_over = len(entries) < count
        if entries and self._ascends:
            self._low = _excluded(entries[-1].score)
        elif entries:
            self._high = _excluded(entries[-1].score)
        return entries


def _excluded(score: float) -> str:
    return f"({score:.17g}"


def _positions(found: Sequence[Any]) -> list[Position]:
    if found and isinstance(found[0], str):  # RESP2
        found = list(zip(found[::2], found[1::2], strict=True))
    return [Position(float(score), id) for id, score in found]


def _number(run_id: str, step_id: str, numbers: Sequence[int]) -> int:
    number = ids.step_number(run_id, step_id)
    if number is None or number not in numbers:
        raise _step_not_found(run_id, step_id)
    return number


def _step_not_found(run_id: str, step_id: str) -> errors.StepNotFound:
    return errors.StepNotFound(f"{run_id} has no step {step_id}.")
