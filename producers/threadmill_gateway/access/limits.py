"""How many requests and streams a gateway serves at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadmill_gateway.answers import refusals


class Slots:
    """A bounded number of things at a time."""

    def __init__(self, what: str, most: int, setting: str) -> None:
        """None is taken.

        Args:
            what: what is counted, as clients are told.
            most: how many there may be.
            setting: what sets that.
        """
        self.taken = 0
        self._what = what
        self._most = most
        self._setting = setting

    def take(self) -> None:
        """Take one, which is given back later.

        Raises:
            ApiError: all are taken.
        """
        if self.taken >= self._most:
            raise refusals.too_much(
                f"Rate limit: this gateway has {self._most} {self._what} already "
                f"({self._setting}). Try again in 1 second."
            )
        self.taken += 1

    def give_back(self) -> None:
        """Give one back."""
        self.taken -= 1

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take one for a block.

        Raises:
            ApiError: all are taken.
        """
        self.take()
        try:
            yield
        finally:
            self.give_back()
