"""Plain data as bytes that differ whenever anything in it does: what was made of it is found again.

To compare with `==` is not enough: 1, 1.0 and True are equal, and so are dicts of another order,
but their JSON differs. And a copy would have to be made of all that its owner may change later; the
bytes are one.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

MOST_BYTES = 64 * 1024
"""What is larger is not kept."""
MOST_KEPT = 32
"""Results that a process keeps of one kind."""
_VERSION = 2
"""Of marshal's format; the later ones also note which parts are the same object."""


def fingerprint(data: Any) -> bytes | None:
    """The data as bytes; None: it is too large, or other than plain."""
    try:
        found = marshal.dumps(data, _VERSION)
    except ValueError:
        return None
    return found if len(found) <= MOST_BYTES else None


def restored(found: bytes) -> Any:
    """The data, as new objects that nobody else has; None: it is other than plain, or too deep.

    For anything with a buffer, such as an array, marshal writes bytes.
    """
    data = marshal.loads(found)  # noqa: S302  our own
    try:
        return data if _is_plain(data) else None
    except RecursionError:
        return None


def _is_plain(data: Any) -> bool:
    if isinstance(data, dict):
        return all(map(_is_plain, data)) and all(map(_is_plain, data.values()))
    if isinstance(data, list | tuple):
        return all(map(_is_plain, data))
    return data is None or isinstance(data, str | int | float)


class ByIdentity(Generic[T]):
    """Objects as a key: only these very objects are equal. While it is kept, so are they."""

    __slots__ = ("_hash", "items")

    def __init__(self, items: Iterable[T]) -> None:
        self.items = tuple(items)
        self._hash = hash(tuple(map(id, self.items)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ByIdentity) or len(self.items) != len(other.items):
            return False
        return all(one is another for one, another in zip(self.items, other.items, strict=True))
