"""In which order what earlier turns left is left out, until the provider takes the request.

One kind is left out at a time. If the provider refuses again for the same reason, that kind was
not the cause, and it is taken back in; if it refuses for another one, a cause was removed, and the
kind stays out. So nothing is left out that this provider would have taken. Only size adds up: what
makes a request smaller stays out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from threadmill_shared.errors import ContextTooLong, ModelRefused
from threadmill_shared.records.items import Item
from threadmill_workers.execution.reduction import (
    LeftOut,
    PartKind,
    count_parts,
    current_turn_start,
    kinds_of,
    turn_starts,
)
from threadmill_workers.execution.refusal import cause_of, suspect_kind

MAX_EXTRA_REQUESTS = 5
"""For one answer; a conversation that is too long may be halved more often."""


class ReductionPlan:
    """What is left out for one answer of the model."""

    def __init__(self, items: Sequence[Item], first: int, run_id: str, known: LeftOut) -> None:
        """Nothing was refused yet.

        Args:
            items: of the thread, oldest first.
            first: position of the first one.
            run_id: the run that asks.
            known: what is left out already.
        """
        current = current_turn_start(items, run_id)
        self._earlier = items[:current]
        self._starts = [at for at in turn_starts(self._earlier) if at < current] + [current]
        self._first = first
        self._last = first + current - 1
        self._kept = LeftOut({kind: min(at, self._last) for kind, at in known.through.items()})
        self.left_out = self._kept
        """Of the request that was sent last, or is sent next."""
        self._cause = ""
        self._error: ModelRefused | ContextTooLong = ContextTooLong("")
        self._refused: list[LeftOut] = []
        self._budget = MAX_EXTRA_REQUESTS

    @property
    def counts(self) -> dict[PartKind, int]:
        """How many items the current proposal leaves out, by kind."""
        return count_parts(self._earlier, self._first, self.left_out)

    def note_refusal(self, error: ModelRefused | ContextTooLong) -> None:
        """Take note that the request which leaves out `left_out` was refused."""
        cause = cause_of(error)
        if cause != self._cause or isinstance(error, ContextTooLong):
            self._kept, self._refused = self.left_out, []
        self._cause, self._error = cause, error
        self._refused.append(self.left_out)

    def advance(self) -> bool:
        """Choose what the next request leaves out; False if nothing is left to try."""
        has_budget = self._budget > 0 or self._halves
        if not has_budget or not self._kept.apply(self._earlier, self._first):
            return False
        options = [one for one in self._options() if one not in self._refused]
        if not options:
            return False
        is_last = self._budget == 1 and not self._halves
        self.left_out = options[-1 if is_last else 0]
        self._budget -= 1
        return True

    def skip(self) -> None:
        """Drop what was chosen: its request would be one that was sent before."""
        self._refused.append(self.left_out)
        self._budget += 1

    @property
    def _halves(self) -> bool:
        """Whether the conversation is halved until it fits, however often."""
        return isinstance(self._error, ContextTooLong) and not self._error.in_bytes

    def _options(self) -> list[LeftOut]:
        if self._halves:
            return list(self._shorter())
        if isinstance(self._error, ContextTooLong):
            return [*self._smaller(), *self._shorter()]
        return list(self._alternatives())

    def _shorter(self) -> Iterator[LeftOut]:
        """Without the older half of the turns; without all earlier ones."""
        starts = [at for at in self._starts if self._is_sent(PartKind.TURNS, at)]
        if len(starts) > 1:
            cut = starts[(len(starts) + 1) // 2]
            yield self._kept.adding([PartKind.TURNS], self._first + cut - 1)
        yield self._kept.adding([PartKind.TURNS], self._last)

    def _smaller(self) -> Iterator[LeftOut]:
        """Without the older half of the images and files, all of them, and long outputs."""
        files = self._places(PartKind.FILES)
        if len(files) > 1 and self._budget == MAX_EXTRA_REQUESTS:
            yield self._kept.adding([PartKind.FILES], self._first + files[(len(files) - 1) // 2])
        if files:
            yield self._kept.adding([PartKind.FILES], self._last)
        if self._places(PartKind.LONG_OUTPUTS):
            yield self._kept.adding([PartKind.LONG_OUTPUTS], self._last)

    def _alternatives(self) -> Iterator[LeftOut]:
        """Without one kind at a time, without all of them, without all earlier turns."""
        kinds = [kind for kind in self._ordered_kinds() if self._places(kind)]
        for kind in kinds:
            if kind is PartKind.TURNS:
                yield from list(self._shorter())[:-1]
            else:
                yield self._kept.adding([kind], self._last)
        parts = [kind for kind in kinds if kind is not PartKind.TURNS]
        if len(parts) > 1:
            yield self._kept.adding(parts, self._last)
        yield self._kept.adding([PartKind.TURNS], self._last)

    def _ordered_kinds(self) -> list[PartKind]:
        suspect = None if self._halves else suspect_kind(self._error)
        return sorted(PartKind, key=lambda kind: kind is not suspect)

    def _places(self, kind: PartKind) -> list[int]:
        """Which items have something of this kind that is sent still."""
        return [
            at
            for at, item in enumerate(self._earlier)
            if self._is_sent(PartKind.TURNS, at)
            and kind in kinds_of(item)
            and self._is_sent(kind, at)
        ]

    def _is_sent(self, kind: PartKind, at: int) -> bool:
        return not self._kept.is_left_out(kind, self._first + at)
