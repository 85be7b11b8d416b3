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


PLANTED = {
    "wrong password": ("Redis rejects the password", "Check THREADMILL_REDIS_URL"),
    "full Redis": ("Redis is full", "CONFIG SET maxmemory"),
    "disk full": ("The disk of Redis is full", "Free space"),
    "eviction on": ("Redis evicts keys", "CONFIG SET maxmemory-policy noeviction"),
    "no persistence": ("Redis does not keep its data", "CONFIG SET appendonly yes"),
    "clock off by 30 s": ("A clock is wrong", "NTP"),
    "no worker": ("No worker is alive", "Start one: threadmill worker MODULE"),
    "worker without the assistant's module": (
        "No worker has the assistant's module",
        "threadmill worker dangerous",
    ),
    "wrong model": ("The provider does not have the model", "Choose a model"),
    "dead provider": ("The provider cannot be reached", "Correct OPENAI_BASE_URL"),
    "wrong key": ("The provider rejects the key", "check OPENAI_API_KEY"),
    "no quota": ("The provider's quota is used up", "check the account's billing"),
    "stuck tool": ("A tool never returns", "a time limit shorter than the tool's"),
    "approval forgotten": ("An approval is forgotten", "threadmill approve RUN_ID"),
    "thread held by a frozen worker": (
        "A worker is frozen and holds a thread",
        "Otherwise start one",
    ),
}
"""The faults that every operator meets sooner or later: the section of each, and its cure."""


@pytest.mark.parametrize("fault", PLANTED)
def test_each_common_fault_has_a_section_whose_looks_name_it_and_its_cure(fault: str) -> None:
    title, cure = PLANTED[fault]
    [section] = [one for one in SECTIONS.values() if one.title == title]
    commands = section.commands("Look")
    assert commands
    shown = [line for command in commands for line in command.shown]
    assert any(cure in line for line in [*shown, *section.logged])


def test_each_row_of_the_table_in_reliability_leads_to_a_section() -> None:
    table = rows(page("reliability"), "when", "the log says", "what to do")
    linked = [re.fullmatch(r"\[\*\*.*\*\*\]\(runbook\.md#(.*)\)", row[0]) for row in table]
    assert len(linked) > 20
    anchors = {section.anchor for section in SECTIONS.values()}
    assert all(found and found[1] in anchors for found in linked)
