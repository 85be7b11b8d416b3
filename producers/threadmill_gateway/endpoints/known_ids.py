"""Ids that name what is not there: cursors of lists, and messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadmill_gateway.answers import refusals
from threadmill_gateway.bodies.query import ListQuery
from threadmill_shared import errors

_NOT_FOUND = (
    *(errors.MessageNotFound, errors.RunNotFound, errors.StepNotFound),
    *(errors.AssistantNotFound, errors.FileNotFound),
)


@contextmanager
def known_cursor(query: ListQuery) -> Iterator[None]:
    """Read a page in the block.

    Raises:
        ApiError: a cursor names nothing of the list.
    """
    try:
        yield
    except _NOT_FOUND:
        param = "before" if query.after is None else "after"
        given = [one for one in (query.after, query.before) if one]
        raise refusals.unknown_cursor(param, given) from None


@contextmanager
def known_message(id: str) -> Iterator[None]:
    """Read or change a message in the block.

    Raises:
        ApiError: the thread has none with this id.
    """
    try:
        yield
    except errors.BadMessage:
        raise refusals.not_found("message", id) from None
