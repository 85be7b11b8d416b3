"""In which order what earlier turns left is left out, until the provider takes the request.

One kind is left out at a time. If the provider refuses again for the same reason, that kind was
not the cause, and it is taken back in; if it refuses for another one, a cause was removed, and the
kind stays out. So nothing is left out that this provider would have taken. Only size adds up: what
makes a request smaller stays out.

What comes first is what the provider's words point at, and turns that it has refused when they
were current: the turns before them had been answered.

The current turn stays whole, but for its own reasoning, and hosted calls that are told as text, if
the provider's words point at these, or if nothing else is left: a container may expire within a
turn.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

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
from threadmill_workers.execution.refusal import cause_of, suspect_kinds
from threadmill_workers.execution.spans import Span, is_within, up_to

MAX_EXTRA_REQUESTS = 5
_PASSED_OVER = {3: 1, 2: 2}
"""If so many requests are left for a conversation that is too long, so many halves are passed over:
1/2, 1/4, 1/16 and 1/128 of it are tried, and then the current turn alone."""
"""For one answer; a conversation that is too long may be halved more often."""
_OPAQUE = (PartKind.REASONING, PartKind.HOSTED_CALLS)
_PARTS = tuple(kind for kind in PartKind if kind is not PartKind.TURNS)


class ReductionPlan:
    """What is left out for one answer of the model."""

    def __init__(
        self,
        items: Sequence[Item],
        positions: Sequence[int],
        run_id: str,
        known: LeftOut,
        refused: Sequence[Span] = (),
    ) -> None:
        """Nothing was refused yet.

        Args:
            items: of the thread, oldest first.
            positions: theirs; they grow with the items, while the answer is stored.
            run_id: the run that asks.
            known: what is left out already.
            refused: turns that the provider has refused when they were the current ones.
        """
        last_refused = max((last for _, last in refused), default=0)
        current = current_turn_start(items, run_id, bisect_right(positions, last_refused))
        self._items = items
        self._earlier = items[:current]
        self._starts = [at for at in turn_starts(self._earlier) if at < current] + [current]
        self._positions = positions
        self.last_earlier = positions[current - 1] if current else _before(positions)
        """Position of the last item before the current turn."""
        self._whole: Span = (1, self.last_earlier)
        self._refused_turns = up_to(self.last_earlier, refused)
        self._kept = known.up_to(self.last_earlier, but=_OPAQUE)
        self.left_out = self._kept
        """Of the request that was sent last, or is sent next."""
        self._cause = ""
        self._error: ModelRefused | ContextTooLong = ContextTooLong("")
        self._refused: list[LeftOut] = []
        self._budget = MAX_EXTRA_REQUESTS

    @property
    def counts(self) -> dict[PartKind, int]:
        """How many items of each kind, and how many turns, the current proposal leaves out."""
        return count_parts(self._items, self._positions, self.left_out)

    def note_refusal(self, error: ModelRefused | ContextTooLong) -> None:
        """Take note that the request which leaves out `left_out` was refused."""
        if self._misses_what_is_left_out(error):
            self._refused.append(self.left_out)
            return
        cause = cause_of(error)
        if cause != self._cause or isinstance(error, ContextTooLong):
            self._kept, self._refused = self.left_out, []
        self._cause, self._error = cause, error
        self._refused.append(self.left_out)

    def _misses_what_is_left_out(self, error: ModelRefused | ContextTooLong) -> bool:
        """Whether the provider wants back what it was sent before: a call's reasoning, perhaps.

        That says nothing about the refusal before.
        """
        kept = self._kept.spans
        added = {kind for kind, at in self.left_out.spans.items() if at != kept.get(kind)}
        suspects = set(suspect_kinds(error))
        return bool(suspects) and suspects <= added

    def advance(self) -> bool:
        """Choose what the next request leaves out; False if nothing is left to try."""
        if self._budget <= 0:
            return False
        options = self._untried(self._options()) or self._untried(self._last_resort())
        if not options:
            return False
        self.left_out = options[self._choice(len(options))]
        self._budget -= 1
        return True

    def limit(self, requests: int) -> None:
        """Make at most so many further requests: others of the same answer count as well."""
        self._budget = min(self._budget, requests)

    def _choice(self, count: int) -> int:
        """Which of the options is next: the first, if none has to be passed over."""
        if self._budget == 1:
            return count - 1
        passed_over = _PASSED_OVER.get(self._budget, 0) if self._halves else 0
        return max(0, min(passed_over, count - 2))  # the last one leaves nothing

    def _untried(self, options: Iterable[LeftOut]) -> list[LeftOut]:
        """Those with which something else is sent: different spans may have the same items."""
        refused = [one.apply(self._items, self._positions) for one in self._refused]
        return [one for one in options if one.apply(self._items, self._positions) not in refused]

    def skip(self) -> None:
        """Drop what was chosen: its request would be one that was sent before."""
        self._refused.append(self.left_out)
        self._budget += 1

    @property
    def _halves(self) -> bool:
        """Whether the conversation is halved until it fits."""
        return isinstance(self._error, ContextTooLong) and not self._error.in_bytes

    def _options(self) -> Iterator[LeftOut]:
        if not self._kept.apply(self._earlier, self._positions[: len(self._earlier)]):
            yield from self._without_own(suspect_kinds(self._error))
            return
        if self._halves:
            yield from self._without_refused([PartKind.TURNS])
        elif isinstance(self._error, ContextTooLong):
            yield from self._smaller()
        else:
            yield from self._alternatives()
        yield from self._shorter()
        yield self._kept.adding([PartKind.TURNS], [self._whole])

    def _smaller(self) -> Iterator[LeftOut]:
        """Without the older half of the images and files, all of them, and long outputs."""
        yield from self._without_refused([PartKind.FILES])
        files = self._places(PartKind.FILES)
        if len(files) > 1 and self._budget == MAX_EXTRA_REQUESTS:
            older = (1, self._positions[files[(len(files) - 1) // 2]])
            yield self._kept.adding([PartKind.FILES], [older])
        yield from self._without([PartKind.FILES])
        yield from self._without([PartKind.LONG_OUTPUTS])
        yield from self._without_refused([PartKind.TURNS])

    def _alternatives(self) -> Iterator[LeftOut]:
        """Without one kind at a time, and without all that is not a turn."""
        suspect = next(filter(self._places, suspect_kinds(self._error)), None)
        if suspect is not None and suspect is not PartKind.TURNS:
            yield from self._without_refused([suspect])
            yield from self._without([suspect])
        yield from self._without_own(suspect_kinds(self._error))
        if suspect is None:
            yield from self._without_refused(_PARTS)
        yield from self._without_refused([PartKind.TURNS])
        if suspect is PartKind.TURNS:
            yield from self._shorter()
        for kind in _PARTS:
            yield from self._without([kind])
        yield from self._without(_PARTS)

    def _without(self, kinds: Sequence[PartKind]) -> Iterator[LeftOut]:
        """Without these kinds, unless nothing of them is sent."""
        if any(map(self._places, kinds)):
            yield self._kept.adding(kinds, [self._whole])

    def _without_own(self, kinds: Iterable[PartKind]) -> Iterator[LeftOut]:
        """Without these kinds in the current turn, too, if it has them and can do without."""
        own = self._items[len(self._earlier) :]
        for kind in kinds:
            if kind in _OPAQUE and any(kind in kinds_of(item) for item in own):
                # The turn grows while its answer is stored.
                everything = (1, self._positions[-1])
                yield self._kept.adding([kind], [everything])

    def _last_resort(self) -> Iterator[LeftOut]:
        """The current turn without what it can do without, although no word points at that."""
        if not isinstance(self._error, ContextTooLong):
            yield from self._without_own(_OPAQUE)

    def _without_refused(self, kinds: Sequence[PartKind]) -> Iterator[LeftOut]:
        """Without these kinds in turns that were refused, unless nothing of them is sent.

        Parts of these turns only at first: the requests must suffice for several causes.
        """
        if kinds != [PartKind.TURNS] and self._budget < MAX_EXTRA_REQUESTS:
            return
        places = (at for kind in kinds for at in self._places(kind))
        if any(is_within(self._positions[at], self._refused_turns) for at in places):
            yield self._kept.adding(kinds, self._refused_turns)

    def _shorter(self) -> Iterator[LeftOut]:
        """Without the older half of the turns, without the older half of the rest, and so on."""
        starts = [at for at in self._starts if self._is_sent(PartKind.TURNS, at)]
        cut = 0
        while cut < len(starts) - 2:
            cut += len(starts[cut:]) // 2
            yield self._kept.adding([PartKind.TURNS], [(1, self._positions[starts[cut]] - 1)])

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
        return not self._kept.is_left_out(kind, self._positions[at])


def _before(positions: Sequence[int]) -> int:
    """The position before the first one."""
    return positions[0] - 1 if positions else 0
