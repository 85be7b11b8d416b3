"""Tables of commands: nothing is cut in a pipe, and 80 columns are enough for what matters."""

from __future__ import annotations

import re

import pytest

from threadmill.cli import runs
from threadmill.cli.tables import Cell, Column, Table
from threadmill.cli.texts import duration, shown_text

COLUMNS = [
    Column("run"),
    Column("status"),
    Column("tokens", rank=2, is_number=True),
    Column("worker", rank=1),
    Column("error", is_cut=True),
]
RUN = "run_" + 32 * "a"
TABLE = Table(
    COLUMNS,
    [
        [RUN, Cell("failed", "red"), "7", "web-1:4711", "ModelRefused: " + 60 * "x"],
        [RUN, "completed", "1200", "", "日本語" * 20],
    ],
)


def plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]


def cells(line: str) -> int:
    return sum(2 if ord(char) > 0x2E80 else 1 for char in line)


def test_without_a_width_nothing_is_cut_or_left_out() -> None:
    head, first, second = plain(TABLE.lines(None))
    assert head.split() == ["run", "status", "tokens", "worker", "error"]
    assert first.endswith(60 * "x")
    assert re.split(r" {2,}", second) == [RUN, "completed", "1200", "-", "日本語" * 20]


@pytest.mark.parametrize("width", [70, 80, 100, 120])
def test_lines_are_as_wide_as_the_terminal_at_most(width: int) -> None:
    lines = plain(TABLE.lines(width))
    assert max(map(cells, lines)) <= width
    assert all(line.startswith((RUN, "run ")) for line in lines)


def test_columns_are_left_out_by_their_rank_after_texts_were_cut() -> None:
    wide, narrow, narrowest = (plain(TABLE.lines(width))[0].split() for width in (100, 80, 62))
    assert wide == ["run", "status", "tokens", "worker", "error"]
    assert narrow == ["run", "status", "worker", "error"]
    assert narrowest == ["run", "status", "error"]


def test_what_may_not_be_left_out_stays_however_narrow_the_terminal_is() -> None:
    assert plain(TABLE.lines(20))[0].split() == ["run", "status", "error"]


def test_a_text_of_others_controls_no_terminal() -> None:
    assert shown_text("a\x1b[2Jb\r\nc\u2028d") == "a [2Jb c d"
    assert shown_text("a\u202etxt.exe\u2066b") == "a txt.exe b"
    [_, row] = plain(Table([Column("x")], [["\x1b]0;title\x07"]]).lines(None))
    assert row == "]0;title"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 s"),
        (-1, "0 s"),
        (0.123, "0.12 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7_800, "2 h 10 min"),
        (97_200, "1 d 3 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_a_column_without_anything_in_it_goes_first() -> None:
    columns = [Column("run"), Column("error", rank=1, goes_if_empty=True), Column("who", rank=2)]
    empty = Table(columns, [[RUN, "-", "Ada"], [RUN, "", "Bob"]])
    some = Table(columns, [[RUN, "-", "Ada"], [RUN, "E", "Bob"]])
    assert plain(empty.lines(45))[0].split() == ["run", "who"]
    assert plain(some.lines(45))[0].split() == ["run", "error"]
    assert plain(empty.lines(None))[0].split() == ["run", "error", "who"]


def test_a_text_that_does_not_fit_gives_way_to_its_short_form() -> None:
    columns = [Column("run"), Column("error", is_cut=True)]
    table = Table(columns, [[RUN, Cell("ModelRefused: " + 60 * "x", short="ModelRefused")]])
    assert plain(table.lines(60))[1].split() == [RUN, "ModelRefused"]
    assert plain(table.lines(None))[1].endswith(60 * "x")


def test_a_long_error_keeps_nothing_of_a_run_from_being_read() -> None:
    assert runs.COLUMNS[-1].title == "error"
