"""A page of a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Order = Literal["asc", "desc"]
"""By creation: the oldest first, or the newest."""


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list, newest first; iterating over it gives what is in `data`."""

    data: Sequence[T]
    cursor: str | None
    """Passed to the next call, it continues behind this page; None: this is the last page."""
    incomplete: bool
    """Whether entries may be missing: what earlier releases have written is not indexed yet, one
    of their workers is still registered, or no worker is that would notice one."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class OrderedPage(Generic[T]):
    """A page of what a thread or a run has, in the order that was asked for."""

    data: Sequence[T]
    has_more: bool
    """Whether there are more in the direction in which the page was read."""


@dataclass(frozen=True)
class PageQuery:
    """Which page is wanted, in the Assistants API's words; cursors are ids."""

    limit: int = 20
    order: Order = "desc"
    after: str | None = None
    """The page begins right behind this one, in the order asked for."""
    before: str | None = None
    """The page ends right before this one; with `after`, it lies between both."""

    @property
    def ascends(self) -> bool:
        """Whether the page is read from older entries to newer ones."""
        return (self.order == "asc") != self._is_read_backwards

    @property
    def ends(self) -> tuple[str | None, str | None]:
        """The ids of the entries between which the page lies: an older one, and a newer one."""
        ends = self.after, self.before
        return ends if self.order == "asc" else ends[::-1]

    def page_of(self, read: Sequence[T]) -> OrderedPage[T]:
        """The page, from its entries as they were read, and one more if there is one."""
        data = read[: self.limit]
        return OrderedPage(
            data[::-1] if self._is_read_backwards else data, has_more=len(read) > self.limit
        )

    @property
    def _is_read_backwards(self) -> bool:
        # From `before` alone, the nearest entries count.
        return self.before is not None and self.after is None
