"""How `make bench` compares: in rounds, in which contenders take turns."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest


def measured(*, rounds: int, with_peers: bool) -> tuple[list[str], Any]:
    """The order in which contenders were measured, and what was found."""
    from harness.effort import Effort
    from harness.rounds import alternate

    order: list[str] = []

    def contender(name: str, value: float) -> Any:
        def measure() -> dict[str, float]:
            order.append(name)
            return {"cost": value * len(order)}

        return measure

    contenders = {"threadmill": contender("threadmill", 1), "peer": contender("peer", 2)}
    return order, alternate(Effort(rounds=rounds, with_peers=with_peers), contenders)


def test_contenders_take_turns_and_every_second_round_goes_backwards() -> None:
    order, _ = measured(rounds=3, with_peers=True)
    assert order == ["threadmill", "peer", "peer", "threadmill", "threadmill", "peer"]


def test_without_peers_only_threadmill_is_measured() -> None:
    order, found = measured(rounds=2, with_peers=False)
    assert order == ["threadmill", "threadmill"]
    assert list(found) == ["threadmill"]


def test_a_ratio_is_that_of_one_round() -> None:
    from harness.results import Figure, results

    _, rounds = measured(rounds=2, with_peers=True)  # ours: 1 and 4; the peer's: 4 and 6
    [result] = results([Figure("cost", "cost", "s", ("peer", "another"))], rounds)
    assert list(result.peers) == ["peer"]
    ratio = result.ratio("peer")
    assert (ratio.low, ratio.high) == (1 / 4, 4 / 6)
    assert ratio.median == pytest.approx((1 / 4 + 4 / 6) / 2)


@pytest.mark.parametrize(
    ("values", "median"), [([3], 3), ([5, 1], 3), ([9, 1, 2], 2), ([4, 100, 1, 2], 3)]
)
def test_a_spread_is_the_median_and_the_extremes(values: list[float], median: float) -> None:
    from harness.results import Spread

    assert Spread.of(values) == Spread(median=median, low=min(values), high=max(values))


def test_a_plot_has_every_point_and_is_the_same_each_time() -> None:
    from pages.plots import plot

    lines = {"ours & theirs": [(1, 3.0), (10, 2.0), (100, 1.0)], "peer": [(1, 1.0), (100, 4.0)]}
    made = plot("cost", "streams", lines)
    assert made == plot("cost", "streams", lines)
    circles = ET.fromstring(made).findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 5
    highest = min(circles, key=lambda circle: float(circle.attrib["cy"]))
    assert highest.attrib["cx"] == "490.0"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1234, "0.12"), (1.5, "1.50"), (12.34, "12.3"), (1234.5, "1,234"), (7, "7")],
)
def test_figures_are_shown_with_the_digits_that_count(value: float, shown: str) -> None:
    from harness.lines import number

    assert number(value) == shown
