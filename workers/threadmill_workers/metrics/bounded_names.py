"""Label values that users or models choose: only so many, since each costs Prometheus a series."""

from __future__ import annotations

OTHER = "other"
"""Stands for every name beyond the limit."""
_MOST_CHARACTERS = 100


class BoundedNames:
    """Keeps the first names that it is given, and replaces all later ones by `other`."""

    def __init__(self, most: int) -> None:
        """No name is known; `most` will be kept."""
        self._most = most
        self._known: dict[str, str] = {}

    def label(self, name: str) -> str:
        """The name, cut to 100 characters; or `other`."""
        known = self._known.get(name)
        if known is not None:
            return known
        if len(self._known) >= self._most:
            return OTHER
        return self._known.setdefault(name, name[:_MOST_CHARACTERS])
