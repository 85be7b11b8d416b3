"""Which goals are reached, by the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.benchmarks import BENCHMARKS
from tests.unit.benchmarks.figures import result, written

PERFORMANCE = BENCHMARKS.parent / "docs" / "performance"
RESULTS = [
    result("rate", 50, 70, 90, peers={"peer": [100, 100, 100]}),
    result("p50", 10, 20),
    result("p99", 45),
    result("size", 7),
    result("series", 1, over="messages", at=10),
    result("series", 4, over="messages", at=100),
    result("before", 99),
]
COMPARED = {"results": [{"name": "before", "ours": [1, 3, 2], "earlier": [10, 10, 10]}]}


def goals(folder: Path, text: str) -> Any:
    from pages.compared import Compared
    from pages.goals import Goals
    from pages.measured import Measured

    compared, file = folder / "compared.json", folder / "goals.toml"
    compared.write_text(json.dumps(COMPARED))
    file.write_text(f"[[goals]]\ngoal = 'The goal'\n{text}\n")
    return Goals(Measured(written(folder, *RESULTS)), Compared(compared), file)


@pytest.mark.parametrize(
    ("text", "shown", "verdict"),
    [
        ("figure='rate'\npeer='peer'\nleast=0.7", "0.70 x (0.50 to 0.90)", "reached"),
        ("figure='rate'\npeer='peer'\nleast=0.71", "0.70 x (0.50 to 0.90)", "**missed**"),
        ("figure='rate'\npeer='peer'\nmost=0.69", "0.70 x (0.50 to 0.90)", "**missed**"),
        ("figure='p99'\nof='p50'\nmost=3.0", "3.00 x", "reached"),
        ("figure='p99'\nof='p50'\nmost=2.9", "3.00 x", "**missed**"),
        ("figure='before'\nearlier=true\nmost=0.2", "0.20 x (0.10 to 0.30)", "reached"),
        ("figure='before'\nearlier=true\nmost=0.1", "0.20 x (0.10 to 0.30)", "**missed**"),
        ("figure='size'\nmost=7.0", "7 ms", "reached"),
        ("figure='series'\nmost=3.0", "4 ms", "**missed**"),
    ],
)
def test_a_goal_is_compared_with_the_median(
    text: str, shown: str, verdict: str, tmp_path: Path
) -> None:
    assert goals(tmp_path, text).table().splitlines()[2] == f"| The goal | {shown} | {verdict} |"


def test_what_is_in_the_way_is_shown_of_missed_goals_only(tmp_path: Path) -> None:
    found = goals(tmp_path, "figure='size'\nmost=7.0\nmissed='It is large.'")
    assert not found.missed()
    found = goals(tmp_path, "figure='size'\nmost=6.0\nmissed='It is large.'")
    assert found.missed() == "- **The goal**: 7 ms. It is large."
    found = goals(tmp_path, "figure='size'\nmost=6.0\nmissed='p99 is {{ m.figure(\"p99\") }}.'")
    assert found.missed() == "- **The goal**: 7 ms. p99 is 45 ms."
    found = goals(tmp_path, "figure='size'\nmost=6.0")
    assert found.missed() == "- **The goal**: 7 ms. What is in the way is not known."


@pytest.mark.parametrize(
    "text",
    ["figure='size'", "figure='size'\nmost=1.0\nleast=1.0"],
)
def test_a_goal_has_one_limit(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must have `most` or `least`"):
        goals(tmp_path, text)


def test_a_goal_of_a_figure_that_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="nothing was not measured"):
        goals(tmp_path, "figure='nothing'\nmost=1.0").table()


def test_the_goal_of_a_new_figure_is_left_out_until_it_is_measured(tmp_path: Path) -> None:
    rows = goals(tmp_path, "figure='nothing'\nmost=1.0\nnew=true").table().splitlines()
    assert len(rows) == 2
    assert len(goals(tmp_path, "figure='size'\nmost=7.0\nnew=true").table().splitlines()) == 3


def test_all_goals_of_the_project_are_measured() -> None:
    from pages.compared import Compared
    from pages.goals import Goals
    from pages.measured import Measured

    figures, compared = PERFORMANCE / "figures.json", PERFORMANCE / "compared.json"
    stored = Goals(Measured(figures), Compared(compared))
    assert len(stored.goals) >= 19
    assert all(stored.found(goal).low > 0 for goal in stored.goals)
