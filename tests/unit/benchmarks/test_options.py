"""What the options of `make bench` say, and what they refuse before anything is measured."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest


def parsed(*arguments: str) -> argparse.Namespace:
    from harness.effort import add_file_option, add_options

    parser = argparse.ArgumentParser()
    add_options(parser)
    add_file_option(parser)
    return parser.parse_args(arguments)


def effort(*arguments: str) -> Any:
    from harness.effort import chosen_effort

    return chosen_effort(parsed(*arguments))


def test_options_change_the_usual_effort_and_the_quick_one() -> None:
    from harness.effort import QUICK, Effort

    assert effort() == Effort()
    assert effort("--quick") == QUICK
    assert effort("--quick", "--rounds", "5") == Effort(
        rounds=5, runs=QUICK.runs, samples=QUICK.samples
    )


def test_an_effort_is_the_same_in_another_process() -> None:
    from harness.effort import Effort

    sent = Effort(rounds=2, runs=7, samples=9, with_peers=False)
    assert Effort.from_json(sent.to_json()) == sent


def test_a_larger_effort_may_take_longer() -> None:
    usual, quick = effort(), effort("--quick")
    assert usual.size() == quick.size() == 1
    assert effort("--rounds", str(5 * usual.rounds)).size() == 5
    twice = ("--rounds", str(2 * usual.rounds), "--runs", str(2 * usual.runs))
    assert effort(*twice).size() == 4


def test_a_single_round_measures_only_the_ends_of_a_series() -> None:
    from harness.effort import Effort

    assert list(Effort(rounds=1).points((1, 2, 3))) == [1, 3]
    assert list(Effort(rounds=2).points((1, 2, 3))) == [1, 2, 3]


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_no_rounds_are_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--rounds", count)
    assert "is not a number from 1 on" in capsys.readouterr().err


def test_a_file_in_a_missing_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parsed("--json", str(tmp_path / "found.json")).json == tmp_path / "found.json"
    with pytest.raises(SystemExit):
        parsed("--json", str(tmp_path / "missing" / "found.json"))
    assert "there is no folder" in capsys.readouterr().err


def test_a_measurement_that_does_not_exist_is_refused() -> None:
    from harness.runner import chosen_measurements

    assert chosen_measurements(["tokens"]) == ["tokens"]
    assert {"startup", "tokens", "enqueue"} <= set(chosen_measurements(None))
    with pytest.raises(SystemExit, match="There is no measurement 'nonsense'"):
        chosen_measurements(["tokens", "nonsense"])
