"""docs/runbook.md: each section has its parts, its test, and a row in the table at the top."""

from __future__ import annotations

import re

import pytest
from tests.support.pages import page, rows
from tests.support.paths import ROOT
from tests.support.runbook import PARTS, Section, sections

SECTIONS = sections()
TESTS = {
    name
    for file in (ROOT / "tests/acceptance/runbook").glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
}


def test_each_section_has_a_test_and_each_test_a_section() -> None:
    assert len(SECTIONS) >= 20
    assert set(SECTIONS) == TESTS


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.anchor)
def test_a_section_has_all_parts_and_a_command_that_looks(section: Section) -> None:
    parts = re.findall(r"^\*\*(\w+)\.\*\*", section.text, re.MULTILINE)
    assert parts == list(PARTS)
    assert all(section.part(name).strip() for name in PARTS)
    assert all(command.shown for command in section.commands("Look"))
    assert section.commands("Look") or section.logged


def test_each_section_is_in_the_table_at_the_top() -> None:
    table = rows(page("runbook"), "you see", "section")
    listed = [re.findall(r"\[(.*?)\]\(#(.*?)\)", row[1]) for row in table]
    assert all(len(found) == 1 for found in listed)
    linked = {found[0] for found in listed}
    assert linked == {(one.title, one.anchor) for one in SECTIONS.values()}
