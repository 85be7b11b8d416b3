"""The page's rows: each has its test, and the table at the end says what became of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.parity_table import ParityTable

PAGE = Path(__file__).resolve().parents[1] / "acceptance" / "marvin_parity"
ROWS = 30


def report(nodeid: str, outcome: str, when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]


def test_every_row_of_the_page_has_a_test() -> None:
    source = "".join(path.read_text() for path in PAGE.glob("test_*.py"))
    tested = {int(row) for row in re.findall(r"^def test_row_(\d+)_", source, re.MULTILINE)}
    assert tested == set(range(1, ROWS + 1))


def test_every_test_of_a_row_is_played_in_both_settings() -> None:
    source = "".join(path.read_text() for path in PAGE.glob("test_*.py"))
    tests = re.findall(r"^def test_row_\w+\(([^)]*)\)", source, re.MULTILINE)
    assert tests
    assert all("play: Play" in parameters for parameters in tests)


def test_a_row_passes_where_all_of_its_tests_do() -> None:
    rows, at = ParityTable(), "tests/acceptance/marvin_parity/test_tools.py::test_row_"
    rows.pytest_runtest_logreport(report(f"{at}2_is_so[remote]", "passed"))
    rows.pytest_runtest_logreport(report(f"{at}2_is_so[remote]", "failed", "teardown"))
    rows.pytest_runtest_logreport(report(f"{at}2_is_so[embedded]", "passed"))
    rows.pytest_runtest_logreport(report(f"{at}2_is_more[embedded]", "passed"))
    rows.pytest_runtest_logreport(report(f"{at}11_is_so[embedded]", "skipped", "setup"))
    rows.pytest_runtest_logreport(report("tests/unit/test_docs.py::test_row_3_x[remote]", "failed"))
    assert rows.lines() == [
        "row   embedded   remote",
        "  2   pass       FAIL",
        " 11   skipped    not run",
    ]
