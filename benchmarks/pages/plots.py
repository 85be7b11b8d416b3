"""Plots of series as SVG: the same figures make the same file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from harness.lines import number
from harness.results import Result, Spread

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 40, 50
COLOURS = ("#1f6feb", "#d1622b", "#2e8b57", "#8f3bb8")
GRIDLINES = 4

Line = Sequence[tuple[float, float]]
"""Points."""


def lines_of(title: str, results: Sequence[Result], *, with_peers: bool) -> dict[str, Line]:
    """A figure's series, perhaps with those of its peers, by their names in the legend."""
    lines: dict[str, Line] = {title: [(one.at or 0, one.spread.median) for one in results]}
    for peer in results[0].peers if with_peers else ():
        lines[peer] = [(one.at or 0, Spread.of(one.peers[peer]).median) for one in results]
    return lines


def plot(title: str, over: str, lines: Mapping[str, Line]) -> str:
    """A plot with a logarithmic axis to the right and a linear one upwards, from 0."""
    scale = _Scale([point for line in lines.values() for point in line])
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, TOP - 18, title, size=14),
        *_grid(scale),
        *(_tick(scale, at) for at, _ in next(iter(lines.values()))),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, over, anchor="middle"),
    ]
    for place, (name, line) in enumerate(lines.items()):
        drawn += _line(scale, line, name, place)
    return "\n".join([*drawn, "</svg>", ""])


class _Scale:
    """Where values are on the picture."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self._low = math.log(min(x for x, _ in points))
        self._width = math.log(max(x for x, _ in points)) - self._low or 1
        self.step = _round_step(max(y for _, y in points) / GRIDLINES)

    def x(self, value: float) -> float:
        share = (math.log(value) - self._low) / self._width
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = value / (self.step * GRIDLINES)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _round_step(least: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(least or 1))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= least)


def _grid(scale: _Scale) -> Iterator[str]:
    for line in range(GRIDLINES + 1):
        value = line * scale.step
        y = scale.y(value)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield _text(LEFT - 8, y + 4, number(value) if value else "0", anchor="end")


def _tick(scale: _Scale, value: float) -> str:
    return _text(scale.x(value), HEIGHT - BOTTOM + 18, f"{value:,g}", anchor="middle")


def _line(scale: _Scale, line: Line, name: str, place: int) -> Iterator[str]:
    colour, spots = COLOURS[place % len(COLOURS)], [(scale.x(x), scale.y(y)) for x, y in line]
    path = " ".join(f"{x},{y}" for x, y in spots)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in spots)
    yield _text(WIDTH - RIGHT + 12, TOP + 12 + 18 * place, name, colour=colour)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#333"
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-family="sans-serif" '
        f'font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )
