"""JSON in lines can be split by readers of any kind."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill_shared.records.json_lines import json_line

ENDS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("end", ENDS)
def test_a_line_has_no_end_within_it_whatever_ends_lines_for_a_reader(end: str) -> None:
    value = {f"a{end}": [f"{end}b", {"c": end * 2}]}
    line = json_line(value)
    assert line.splitlines() == [line]
    assert json.loads(line) == value


def test_other_letters_are_written_as_they_are() -> None:
    assert json_line({"a": "Grüße 🍵 \\u2028"}) == '{"a":"Grüße 🍵 \\\\u2028"}'


def test_numbers_that_json_lacks_become_null() -> None:
    assert json_line([float("nan"), float("inf"), 1.5]) == "[null,null,1.5]"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(ENDS))


@given(st.recursive(TEXTS | st.none() | st.integers(-(2**60), 2**60), st.lists))
def test_every_value_is_one_line_that_means_the_same(value: object) -> None:
    for line in (json_line(value), json_line(value, is_spaced=True)):
        assert len(line.splitlines()) == 1
        assert json.loads(line) == value


def test_a_spaced_line_reads_like_most_saved_files() -> None:
    value = {"a": ["\u2028", float("nan")], "b": "low"}
    assert json_line(value, is_spaced=True) == '{"a": ["\\u2028", null], "b": "low"}'
