"""Moments of an answer that a test decides on, in place of delays that may be over too soon."""

from __future__ import annotations

from threadmill.testing import Pause


class Pauses(Pause):
    """Several halts of one answer: each lasts until the test calls `end`, once for each."""

    def __init__(self, *after_tokens: int) -> None:
        """Halts after so many tokens each, in ascending order."""
        first, *self._next = after_tokens
        super().__init__(first)

    def end(self) -> None:
        """Let the stand-in go on, to the next halt or to the end."""
        if self._next:
            self.after_tokens = self._next.pop(0)
        else:
            super().end()
