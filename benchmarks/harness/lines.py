"""Results as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.results import Result, Spread


def result_lines(results: Sequence[Result]) -> Iterator[str]:
    """A line for each result, and one for each of its peers."""
    for result in results:
        point = "" if result.over is None else f", {result.at:g} {result.over}"
        yield f"  {result.title + point:64} {number(result.spread.median):>9} {result.unit}"
        for peer, values in result.peers.items():
            theirs, ratio = number(Spread.of(values).median), times(result.ratio(peer))
            yield f"    {'against ' + peer:62} {theirs:>9} {result.unit}  {ratio}"


def times(ratio: Spread) -> str:
    """A ratio with its extremes."""
    return f"{ratio.median:.2f} x ({ratio.low:.2f} to {ratio.high:.2f})"


def number(value: float) -> str:
    """A figure with three digits that count; a whole number as it is."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1}f}"
