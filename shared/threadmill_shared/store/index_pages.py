"""Pages of indexes, in both orders and from either side of a cursor.

Entries may have one score, and an entry that is gone is a cursor as well as long as its place is
known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from threadmill_shared.records.page import OrderedPage, PageQuery
from threadmill_shared.store.index_reader import IndexReader, Position

T = TypeVar("T")


async def read_index_page(
    reader: IndexReader,
    query: PageQuery,
    ends: tuple[Position | None, Position | None],
    read: Callable[[Sequence[Position]], Awaitable[Sequence[T | None]]],
    *,
    least: int = 0,
) -> OrderedPage[T]:
    """The page.

    Args:
        reader: reads the indexes in the direction of the query.
        query: which page.
        ends: the places of the query's `ends`.
        read: reads the records of entries; None stands for one that is gone or not wanted.
        least: how many entries are read at once at least, if many are not wanted.
    """
    after, end = ends if query.ascends else ends[::-1]
    found: list[T] = []
    while len(found) <= query.limit:
        wanted = max(query.limit + 1 - len(found), least)
        entries = await reader.read(after, wanted)
        some = [one for one in entries.found[:wanted] if _is_between(one, end, query)]
        found += [record for record in await read(some) if record is not None]
        if len(some) < wanted:
            break
        after = some[-1]
    return query.page_of(found)


def _is_between(entry: Position, end: Position | None, query: PageQuery) -> bool:
    if end is None:
        return True
    return entry < end if query.ascends else entry > end
