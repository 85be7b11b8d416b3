"""The measured figures, as the pages' templates ask for them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.lines import number, times
from harness.results import Result, Spread


def two_digits(value: float) -> float:
    """A calculated value, with the two digits that it is good for."""
    return round(value, 1 - math.floor(math.log10(abs(value)))) if value else 0.0


def about(value: float) -> str:
    """The same as text."""
    rounded = two_digits(value)
    digits = 1 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{rounded:,.{max(0, digits)}f}"


class Measured:
    """What one run of `make bench` has found."""

    def __init__(self, file: Path) -> None:
        """Read it.

        Args:
            file: what `bench.py --json` has written.
        """
        self.surroundings: dict[str, Any] = json.loads(file.read_text())
        self._results = [Result(**fields) for fields in self.surroundings.pop("results")]

    def result(self, name: str, at: float | None = None) -> Result:
        """A figure.

        Raises:
            KeyError: it was not measured.
        """
        for result in self._results:
            if (result.name, result.at) == (name, at):
                return result
        raise KeyError(f"{name} was not measured{'' if at is None else f' at {at:g}'}.")

    def series(self, name: str) -> list[Result]:
        """A figure at each of its points.

        Raises:
            KeyError: it was not measured.
        """
        found = [result for result in self._results if result.name == name]
        if not found:
            raise KeyError(f"{name} was not measured.")
        return found

    def last(self, name: str) -> Result:
        """A figure; of a series, its last point."""
        return self.series(name)[-1]

    # ---- what templates call -------------------------------------------------------------------

    def has(self, name: str) -> bool:
        """Whether a figure was measured."""
        return any(result.name == name for result in self._results)

    def value(self, name: str, at: float | None = None) -> float:
        """The median, to calculate with."""
        return self.result(name, at).spread.median

    def figure(self, name: str, at: float | None = None) -> str:
        """The median with its unit."""
        result = self.result(name, at)
        return f"{number(result.spread.median)} {result.unit}".rstrip()

    def ratio(self, name: str, peer: str | None = None, at: float | None = None) -> str:
        """How many times the peer's it is; of the only peer, if none is named."""
        result = self.result(name, at)
        return f"{result.ratio(peer or next(iter(result.peers))).median:.2f}"

    def peer(self, name: str) -> str:
        """The median of its only peer, with its unit."""
        result = self.result(name)
        [values] = result.peers.values()
        return f"{number(Spread.of(values).median)} {result.unit}"

    def at_first(self, name: str) -> str:
        """The median at the first point of a series, with its unit."""
        result = self.series(name)[0]
        return self.figure(name, result.at)

    def at_last(self, name: str) -> str:
        """The median at the last point of a series, with its unit."""
        return self.figure(name, self.last(name).at)

    def last_point(self, name: str) -> str:
        """How many there were at the last point of a series."""
        return f"{self.last(name).at:,g}"

    def names(self, measurement: str) -> list[str]:
        """The figures of a measurement, in the order in which they were measured."""
        names = [result.name for result in self._results]
        return list(dict.fromkeys(one for one in names if one.startswith(f"{measurement}.")))

    def table(self, *names: str) -> str:
        """Figures beside those of their peers."""
        head = "| what | threadmill | peer | | ratio (lowest to highest) |"
        rows = (row for name in names for row in self._rows(self.last(name)))
        return "\n".join([head, "|---" * 5 + "|", *rows])

    def growth(self, *names: str, with_peers: bool = False) -> str:
        """A table of series: a row for each point, a column for each figure, then its peers'."""
        series = [self.series(name) for name in names]
        several = (_columns(results, with_peers=with_peers) for results in series)
        columns = [column for of_one in several for column in of_one]
        points = [f"{result.at:,g}" for result in series[0]]
        rows = zip([series[0][0].over or "", "---", *points], *columns, strict=True)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _rows(self, result: Result) -> Iterator[str]:
        point = "" if result.over is None else f", {result.at:,g} {result.over}"
        ours = f"{result.title}{point} | {number(result.spread.median)} {result.unit}".rstrip()
        for peer, values in result.peers.items():
            theirs = f"{number(Spread.of(values).median)} {result.unit}".rstrip()
            yield f"| {ours} | {peer} | {theirs} | {times(result.ratio(peer))} |"
        if not result.peers:
            yield f"| {ours} | | | |"


def _columns(results: Sequence[Result], *, with_peers: bool) -> Iterator[list[str]]:
    title, unit = results[0].title, f" ({results[0].unit})" if results[0].unit else ""
    yield [title + unit, "---", *(number(one.spread.median) for one in results)]
    for peer in results[0].peers if with_peers else ():
        medians = (Spread.of(one.peers[peer]).median for one in results)
        yield [peer + unit, "---", *map(number, medians)]
