"""The table of the page's rows, printed after the tests of `tests/acceptance/marvin_parity`."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

SETTINGS = ("embedded", "remote")
_ROW = re.compile(r"acceptance/marvin_parity/\w+\.py::test_row_(\d+)_\w+\[(\w+)\]")


class ParityTable:
    """Collects what became of the rows' tests, whichever process has executed them."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[int, str], list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if found := _ROW.search(report.nodeid):
            self._outcomes[int(found[1]), found[2]].append(report.outcome)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._outcomes:
            terminalreporter.section("rows of the page")
            for line in self.lines():
                terminalreporter.write_line(line)

    def lines(self) -> list[str]:
        """The table; a row passes if all of its tests do."""
        rows = sorted({row for row, _ in self._outcomes})
        table = [("row", *SETTINGS)]
        table += [(str(row), *(self._verdict(row, one) for one in SETTINGS)) for row in rows]
        return [f"{row:>3}   {embedded:<8}   {remote}".rstrip() for row, embedded, remote in table]

    def _verdict(self, row: int, setting: str) -> str:
        outcomes = self._outcomes.get((row, setting), [])
        if "failed" in outcomes:
            return "FAIL"
        if "skipped" in outcomes:
            return "skipped"
        return "pass" if outcomes else "not run"
