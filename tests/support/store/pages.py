"""What a page has by its definition, to compare what is read with."""

from __future__ import annotations

from itertools import product
from random import Random

from threadmill_shared.records.page import Order, PageQuery

ORDERS: tuple[Order, Order] = ("asc", "desc")


def plain_page(all_ids: list[str], query: PageQuery) -> tuple[list[str], bool]:
    """The page's ids and whether there are more, from all ids, oldest first."""
    ordered = all_ids if query.order == "asc" else all_ids[::-1]
    begin = 0 if query.after is None else ordered.index(query.after) + 1
    end = len(ordered) if query.before is None else ordered.index(query.before)
    between = ordered[begin:end]
    if query.before is not None and query.after is None:
        return between[-query.limit :], len(between) > query.limit
    return between[: query.limit], len(between) > query.limit


def some_queries(all_ids: list[str], random: Random, count: int) -> list[PageQuery]:
    """Queries of every kind, some of them between cursors in the wrong order."""
    cursors = [None, *all_ids]
    every = list(product(range(1, 5), ORDERS, cursors, cursors))
    return [PageQuery(*query) for query in random.sample(every, count)]
