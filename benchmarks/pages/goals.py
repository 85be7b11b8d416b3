"""The goals that the project sets itself, and whether what was measured reaches them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
from harness.lines import number, times
from harness.results import Spread
from pages.compared import Compared
from pages.measured import Measured

FILE = Path(__file__).with_name("goals.toml")
_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
UNKNOWN = "What is in the way is not known."


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a figure is to be at most, or at least; `goals.toml` describes the fields."""

    figure: str
    goal: str
    most: float | None = None
    least: float | None = None
    peer: str | None = None
    of: str | None = None
    earlier: bool = False
    new: bool = False
    missed: str = UNKNOWN

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if (self.most is None) == (self.least is None):
            raise ValueError(f"the goal of {self.figure} must have `most` or `least`")
        if sum(map(bool, (self.peer, self.of, self.earlier))) > 1:
            raise ValueError(f"the goal of {self.figure} is compared with one thing only")

    def is_reached(self, found: Spread) -> bool:
        """Whether the median keeps the limit, in the digits that are shown of a ratio."""
        median = round(found.median, 2)
        if self.most is not None:
            return median <= self.most
        return self.least is not None and median >= self.least


class Goals:
    """All goals, beside one measurement and one comparison."""

    def __init__(self, measured: Measured, compared: Compared, file: Path = FILE) -> None:
        """Read the goals."""
        self._measured = measured
        self._compared = compared
        goals = [Goal(**fields) for fields in tomllib.loads(file.read_text())["goals"]]
        self.goals = [one for one in goals if not one.new or measured.has(one.figure)]

    # ---- what templates call -------------------------------------------------------------------

    def table(self) -> str:
        """A row for each goal."""
        rows = (f"| {one.goal} | {self._shown(one)} | {self._verdict(one)} |" for one in self.goals)
        return "\n".join(["| goal | measured | |", "|---" * 3 + "|", *rows])

    def missed(self) -> str:
        """A point for each goal that is missed: what is in the way."""
        return "\n".join(self._missed())

    # --------------------------------------------------------------------------------------------

    def _missed(self) -> Iterator[str]:
        for one in self.goals:
            if not one.is_reached(self.found(one)):
                why = _ENVIRONMENT.from_string(" ".join(one.missed.split()))
                yield f"- **{one.goal}**: {self._shown(one)}. {why.render(m=self._measured)}"

    def found(self, goal: Goal) -> Spread:
        """What its limit is compared with."""
        if goal.earlier:
            return self._compared.ratio(goal.figure)
        result = self._measured.last(goal.figure)
        if goal.peer:
            return result.ratio(goal.peer)
        if goal.of:
            return Spread.of([result.spread.median / self._measured.value(goal.of)])
        return result.spread

    def _shown(self, goal: Goal) -> str:
        found = self.found(goal)
        if goal.of:
            return f"{found.median:.2f} x"
        if goal.earlier or goal.peer:
            return times(found)
        return f"{number(found.median)} {self._measured.last(goal.figure).unit}"

    def _verdict(self, goal: Goal) -> str:
        return "reached" if goal.is_reached(self.found(goal)) else "**missed**"
