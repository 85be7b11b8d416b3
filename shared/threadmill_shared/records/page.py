"""A page of a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


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
