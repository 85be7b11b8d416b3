"""Objects that this gateway has created a short while ago."""

from __future__ import annotations

from collections import OrderedDict

MOST = 10_000
"""Of ids; the oldest are forgotten first. The store's marks live for minutes at most."""


class FreshObjects:
    """Those that a repeat of a request without a key might be given, until somebody names them."""

    def __init__(self) -> None:
        self._marks: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def add(self, id: str, mark: str, of: str) -> None:
        """An object was created.

        Args:
            id: by which it can be named; it can have several.
            mark: the key of the mark of the request that has created it.
            of: the id in that mark.
        """
        self._marks[id] = (mark, of)
        if len(self._marks) > MOST:
            self._marks.popitem(last=False)

    def take(self, id: str) -> tuple[str, str] | None:
        """Forget an object that a request names; returns its mark, and its id there."""
        return self._marks.pop(id, None)
