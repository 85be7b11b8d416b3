"""Pages of a sorted set whose scores are all different, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.scripts.runner import ScriptRunner

Scored = tuple[str, float]
"""A member and its score."""


class ScorePages:
    """Reads the pages of one sorted set."""

    def __init__(
        self, runner: ScriptRunner, key: str, not_found: Callable[[str], Exception]
    ) -> None:
        """Nothing is read yet.

        Args:
            runner: reads it.
            key: the sorted set.
            not_found: makes the error for a cursor that is no member.
        """
        self._runner = runner
        self._key = key
        self._not_found = not_found

    async def read(
        self,
        query: PageQuery,
        *,
        low: float = float("-inf"),
        high: float = float("inf"),
        is_wanted: Callable[[str], bool] | None = None,
    ) -> OrderedPage[Scored]:
        """The page of the members with scores from `low` to `high`.

        Args:
            query: which page.
            low: the lowest score of the list.
            high: the highest one.
            is_wanted: whether a member belongs to the list; None: all do.

        Raises:
            Exception: a cursor is no member; `not_found` has made it.
        """
        older, newer = await self._scores(query.ends)
        lowest = f"{low!r}" if older is None or older < low else f"({older!r}"
        highest = f"{high!r}" if newer is None or newer > high else f"({newer!r}"
        return query.page_of(await self._walk(lowest, highest, query, is_wanted))

    async def _walk(
        self, low: str, high: str, query: PageQuery, is_wanted: Callable[[str], bool] | None
    ) -> list[Scored]:
        """The first members in the walked direction: one more than the page has, if there are."""
        wanted, found = query.limit + 1, list[Scored]()
        count = wanted if is_wanted is None else max(wanted, PAGE)
        while True:
            members = await self._members(low, high, count, ascends=query.ascends)
            found += [one for one in members if is_wanted is None or is_wanted(one[0])]
            if len(found) >= wanted or len(members) < count:
                return found[:wanted]
            behind = f"({members[-1][1]!r}"
            low, high = (behind, high) if query.ascends else (low, behind)

    async def _members(self, low: str, high: str, count: int, *, ascends: bool) -> list[Scored]:
        name, *ends = ("ZRANGEBYSCORE", low, high) if ascends else ("ZREVRANGEBYSCORE", high, low)
        return _scored(
            await self._runner.command(name, self._key, *ends, "WITHSCORES", "LIMIT", 0, count)
        )

    async def _scores(self, members: Sequence[str | None]) -> list[float | None]:
        """The scores of the cursors; None for one that is not given."""
        given = [member for member in members if member is not None]
        found = await self._runner.commands([("ZSCORE", self._key, one) for one in given])
        scores = dict(zip(given, found, strict=True))
        for member, score in scores.items():
            if score is None:
                raise self._not_found(member)
        return [None if member is None else float(scores[member]) for member in members]


def _scored(found: Sequence[Any]) -> list[Scored]:
    """What Redis answers: a flat list (RESP2), or pairs."""
    pairs = zip(found[::2], found[1::2], strict=True) if _is_flat(found) else found
    return [(member, float(score)) for member, score in pairs]


def _is_flat(found: Sequence[Any]) -> bool:
    return bool(found) and isinstance(found[0], str)
