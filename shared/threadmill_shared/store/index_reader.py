"""Reads indexes of all buckets as one, from the newest entry to the oldest, or the other way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from threadmill_shared.records.list_filters import Span
from threadmill_shared.store.connections import is_cluster
from threadmill_shared.store.scripts.lists import ListScripts
from threadmill_shared.store.session import Session

_CURSOR = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,9})?):(.+)", re.DOTALL)
SPARE = 4
"""Entries of each index that are read beyond what is expected to be needed."""


class Position(NamedTuple):
    """Where an entry stands; the newest has the greatest."""

    score: float
    id: str

    def cursor(self) -> str:
        """The position as a list's cursor."""
        return f"{self.score:.17g}:{self.id}"

    @classmethod
    def read(cls, cursor: str, kind: str) -> Self:
        """The position that a cursor names.

        Args:
            cursor: as `cursor` has written it.
            kind: what its id begins with; empty: anything.

        Raises:
            ValueError: it is not a cursor of such a list.
        """
        found = _CURSOR.fullmatch(cursor)
        if found is None or (kind and not re.fullmatch(f"{kind}_[0-9A-Za-z]{{1,64}}", found[2])):
            raise ValueError(
                f"{cursor!r} is not a cursor of this list. Pass the `cursor` of a page, unchanged."
            )
        return cls(float(found[1]), found[2])


@dataclass(frozen=True)
class Entries:
    """The next entries."""

    found: list[Position]
    is_over: bool
    """Whether there are no more behind them."""


class IndexReader:
    """Reads some indexes, an entry that stands in two of them once."""

    def __init__(
        self,
        session: Session,
        names: Sequence[str],
        span: Span,
        *,
        within: str | None = None,
        ascends: bool = False,
    ) -> None:
        """Nothing is read yet.

        Args:
            session: the namespace.
            names: of the indexes within a bucket.
            span: limits the scores.
            within: what the indexes' keys begin with; None: they are those of all buckets.
            ascends: whether the oldest entry is the first; then nothing may limit the scores.
        """
        self._names = " ".join(names)
        self._buckets = session.keys.buckets() if within is None else [within]
        self._runner = session.runner
        self._ascends = ascends
        low = "-inf" if span.since is None else str(span.since)
        high = "+inf" if span.until is None else f"({span.until}"
        self._start, self._stop = (low, high) if ascends else (high, low)
        self._since = float("-inf") if span.since is None else float(span.since)
        self._is_cluster = is_cluster(session.client)
        self._scripts = ListScripts(session.keys)

    async def read(self, after: Position | None, wanted: int) -> Entries:
        """The entries behind a position: at least `wanted` of them if there are so many.

        Entries spread evenly over buckets, so one round trip is the rule.
        """
        found: list[Position] = []
        while True:
            entries = await self._read_once(after, wanted - len(found))
            found += entries.found
            if entries.is_over or len(found) >= wanted:
                return Entries(found, entries.is_over)
            after = found[-1]

    async def _read_once(self, after: Position | None, wanted: int) -> Entries:
        count = min(wanted, 2 * wanted // len(self._buckets) + SPARE)
        pages = await self._pages(after, count)
        known = {entry for page in pages for entry in page if entry.score >= self._since}
        ends = [page[-1] for page in pages if len(page) == count and page[-1].score >= self._since]
        # Behind the end of a page that may have a successor, other entries could still come.
        in_order = sorted(known, reverse=not self._ascends)
        if not ends:
            return Entries(in_order, is_over=True)
        sure = min(ends) if self._ascends else max(ends)
        return Entries(in_order[: in_order.index(sure) + 1], is_over=False)

    async def _pages(self, after: Position | None, count: int) -> list[list[Position]]:
        """The next entries of each index; of a cluster each node is asked for its own."""
        together = [[one] for one in self._buckets] if self._is_cluster else [self._buckets]
        calls = [
            self._scripts.read_indexes(
                names=self._names,
                order="asc" if self._ascends else "desc",
                start=self._start if after is None else f"{after.score:.17g}",
                id="" if after is None else after.id,
                stop=self._stop,
                count=count,
                rest=some,
            )
            for some in together
        ]
        replies = await self._runner.run_each_apart(calls)
        return [_positions(page) for reply in replies for page in reply[1:]]


def _positions(flat: list[str]) -> list[Position]:
    return [Position(float(score), id) for id, score in zip(flat[::2], flat[1::2], strict=True)]
