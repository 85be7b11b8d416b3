"""Run options: what is wrong with them is found before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from threadmill_shared import errors
from threadmill_shared.records.definition import Definition, RunOptions
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.tools import ToolSpec

ROLL = ToolSpec(name="roll", parameters={"type": "object"}, identity="dice:roll", digest="d1")
ADA = Definition(id="asst_1", name="Ada", model="gpt-5.4-mini", tools=(ROLL,))
SCHEMA = {"name": "dice", "schema": {"type": "object"}, "strict": True}
FUNCTION = {"type": "function", "function": {"name": "roll"}}


def options(**given: Any) -> RunOptions:
    return enqueue_command(RunRequest(ADA, "hello", options=given), Settings()).request.options


@pytest.mark.parametrize("model", ["", " "])
def test_a_model_without_a_name_is_refused(model: str) -> None:
    with pytest.raises(errors.CallerError, match="name must not be empty"):
        enqueue_command(RunRequest(ADA.model_copy(update={"model": model}), "hello"), Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truncation_strategy", None),
        ("truncation_strategy", {"type": "auto"}),
        ("truncation_strategy", {"type": "last_messages", "last_messages": 1}),
        ("response_format", None),
        ("response_format", "auto"),
        ("response_format", {"type": "text"}),
        ("response_format", {"type": "json_object"}),
        ("response_format", {"type": "json_schema", "json_schema": SCHEMA}),
        ("tool_choice", None),
        ("tool_choice", "none"),
        ("tool_choice", "auto"),
        ("tool_choice", "required"),
        ("tool_choice", FUNCTION),
    ],
)
def test_what_a_run_can_do_is_taken_as_it_is(name: str, value: Any) -> None:
    assert getattr(options(**{name: value}), name) == value


def test_the_name_of_a_tool_is_enough_to_choose_it() -> None:
    assert options(tool_choice="roll").tool_choice == FUNCTION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("truncation_strategy", "auto"),
        ("truncation_strategy", {}),
        ("truncation_strategy", {"type": "first_messages"}),
        ("truncation_strategy", {"type": "last_messages"}),
        ("truncation_strategy", {"type": "last_messages", "last_messages": 0}),
        ("truncation_strategy", {"type": "last_messages", "last_messages": True}),
        ("truncation_strategy", {"type": "last_messages", "last_messages": "5"}),
        ("truncation_strategy", {"type": "auto", "last_messages": 5}),
        ("response_format", "json_object"),
        ("response_format", 5),
        ("response_format", {}),
        ("response_format", {"type": "json"}),
        ("response_format", {"type": "json_schema"}),
        ("response_format", {"type": "json_schema", "json_schema": {"schema": {}}}),
        ("tool_choice", "any"),
        ("tool_choice", "fly"),
        ("tool_choice", 5),
        ("tool_choice", {"type": "function", "name": "roll"}),
        ("tool_choice", {"type": "function", "function": {"name": "fly"}}),
    ],
)
def test_what_no_run_can_do_is_refused_with_what_can_be_given(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"The run option '{name}.*' is not valid"):
        options(**{name: value})


def test_an_assistants_own_format_is_checked_with_its_run() -> None:
    ask = RunRequest(ADA.model_copy(update={"response_format": {"type": "xml"}}), "hello")
    with pytest.raises(TypeError, match="'response_format' is not valid: it is 'auto', "):
        enqueue_command(ask, Settings())


def test_who_chooses_an_unknown_tool_is_told_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"none, auto, required, or one .* tools \(roll\)"):
        options(tool_choice="fly")
