"""What a measurement finds: figures, each beside those of its peers.

A measurement is a module with a function `measure(effort) -> list[Result]`. It declares its figures
with name, title, unit and peers; what a figure should be is said elsewhere.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

OURS = "threadmill"

Values = dict[str, float]
"""What one contender did in one round, by the names of figures."""


@dataclass(frozen=True)
class Figure:
    """The declaration of a figure."""

    name: str
    """With the measurement's name in front: `enqueue.cpu`."""
    title: str
    unit: str
    peers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spread:
    """A median over rounds, and the extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of these values."""
        known = sorted(values)
        return cls(statistics.median(known), known[0], known[-1])


@dataclass(frozen=True)
class Result:
    """A figure as it was measured: one value per round, and those of its peers."""

    name: str
    title: str
    unit: str
    values: list[float]
    peers: dict[str, list[float]] = field(default_factory=dict)
    over: str | None = None
    """What grows from point to point of a series, such as `streams`; None: it is no series."""
    at: float | None = None
    """How many of them there were."""

    @property
    def spread(self) -> Spread:
        """Of its values."""
        return Spread.of(self.values)

    def ratio(self, peer: str) -> Spread:
        """Its value divided by the peer's of the same round."""
        return Spread.of(
            ours / theirs for ours, theirs in zip(self.values, self.peers[peer], strict=True)
        )


def results(
    figures: Sequence[Figure],
    rounds: Mapping[str, Sequence[Values]],
    *,
    contender: str = OURS,
    over: str | None = None,
    at: float | None = None,
) -> list[Result]:
    """The figures of one contender, beside those of its peers that were measured.

    Args:
        figures: their declarations.
        rounds: each contender's values, as `alternate` returns them.
        contender: whose figures they are.
        over, at: see `Result`.
    """
    return [
        Result(
            name=figure.name,
            title=figure.title,
            unit=figure.unit,
            values=[values[figure.name] for values in rounds[contender]],
            peers={
                peer: [values[figure.name] for values in rounds[peer]]
                for peer in figure.peers
                if peer in rounds
            },
            over=over,
            at=at,
        )
        for figure in figures
    ]
