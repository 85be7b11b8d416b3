"""`make bench-compare`: two revisions, in turns."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from tests.unit.benchmarks.figures import result

EARLIER = Path("earlier")
OPTIONS = argparse.Namespace(quick=False, rounds=3, runs=None, samples=None)


def compared(monkeypatch: pytest.MonkeyPatch, values: dict[Path, list[float]]) -> tuple[Any, Any]:
    """What is measured, in its order, and the pairs that are found."""
    import compare
    from harness.results import Result

    measured: list[tuple[Path, Any]] = []

    def measure(name: str, effort: Any, root: Path) -> list[Any]:
        measured.append((root, effort))
        return [Result(**result(name, values[root].pop(0)))]

    monkeypatch.setattr(compare, "measure", measure)
    return measured, compare._compare("cost", EARLIER, OPTIONS)


def test_revisions_take_turns_and_every_second_round_goes_backwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from harness.runner import ROOT

    measured, _ = compared(monkeypatch, {EARLIER: [1, 2, 3], ROOT: [4, 5, 6]})
    assert [root for root, _ in measured] == [EARLIER, ROOT, ROOT, EARLIER, EARLIER, ROOT]
    assert all(effort.rounds == 1 and not effort.with_peers for _, effort in measured)


def test_medians_are_printed_with_the_spread_of_the_ratios_within_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import compare
    from harness.runner import ROOT

    _, pairs = compared(monkeypatch, {EARLIER: [10, 20, 40], ROOT: [5, 40, 30]})
    [line] = compare._lines(pairs.values())
    # The medians are 20 and 30; the ratios of the rounds are 0.5, 2 and 0.75.
    assert line.split() == [
        "title",
        "of",
        "cost",
        "20",
        "->",
        "30",
        "ms",
        "0.75",
        "x",
        "(0.50",
        "to",
        "2.00)",
    ]


def test_points_of_a_series_are_not_mixed() -> None:
    import compare
    from harness.results import Result

    pairs: Any = {}
    for at in (1, 10):
        for side in ("ours", "earlier"):
            one = Result(**result("cost", float(at), over="streams", at=float(at)))
            compare._add(pairs, side, one)
    assert [(pair.title, pair.ours, pair.earlier) for pair in pairs.values()] == [
        ("title of cost, 1 streams", [1.0], [1.0]),
        ("title of cost, 10 streams", [10.0], [10.0]),
    ]


def test_a_figure_that_one_of_them_does_not_have_is_named() -> None:
    import compare

    [line] = compare._lines([compare.Pair("new", "ms", ours=[1.0])])
    assert "is measured in one of the two only" in line


def test_the_packages_of_a_revision_are_taken_out_and_removed_again() -> None:
    import compare

    with compare._checked_out("HEAD") as tree:
        assert (tree / "producers" / "threadmill" / "__init__.py").is_file()
        assert sorted(path.name for path in tree.iterdir()) == ["producers", "shared", "workers"]
    assert not tree.exists()


def test_a_revision_that_is_not_there_is_named() -> None:
    import compare

    with pytest.raises(SystemExit, match="nonsense is not in this clone"):
        compare._checked_out("nonsense").__enter__()
