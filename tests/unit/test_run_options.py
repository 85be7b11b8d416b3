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


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


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
        ("reasoning_effort", None),
        *(("reasoning_effort", e) for e in ("none", "minimal", "low", "medium", "high", "xhigh")),
        *(("verbosity", v) for v in (None, "low", "medium", "high")),
        *(("service_tier", t) for t in (None, "auto", "flex", "priority", "on_demand")),
        *(("safety_identifier", t) for t in (None, "u", "x" * 64)),
        *(("max_prompt_tokens", n) for n in (None, 1, 10**9)),
        *(("extra_body", b) for b in (None, {}, {"a": {"b": [1, None, "ü"]}}, {"store": True})),
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
        *(("reasoning_effort", e) for e in ("", "Low", "ultra", 5, ["low"])),
        *(("verbosity", v) for v in ("", "none", 2)),
        *(("service_tier", t) for t in ("", "Flex", "a b", 5, "x" * 65)),
        *(("safety_identifier", t) for t in ("", "  ", "x" * 65, 5, "\ud800")),
        *(("max_prompt_tokens", n) for n in (0, -5, "many", 1.5)),
        *(("extra_body", b) for b in ("x", [], {"a": object()}, {"a": float("nan")}, {1: 2})),
        *(("extra_body", {n: 1}) for n in ("model", "stream", "input", "messages", "tools")),
        ("extra_body", {"a": "x" * 70_000}),
        ("extra_body", {"a": "\ud800"}),
        ("extra_body", nested(80)),
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


LATER = {
    "reasoning_effort": "low",
    "verbosity": "low",
    "service_tier": "flex",
    "safety_identifier": "u",
    "max_prompt_tokens": 9,
    "extra_body": {"seed": 1},
}


def digest(definition: Definition = ADA, **given: Any) -> str:
    request = RunRequest(definition, "hello", options=given, idempotency_key="monday")
    return enqueue_command(request, Settings()).content_digest


@pytest.mark.parametrize("name", LATER)
def test_an_option_is_a_part_of_the_content_only_if_it_is_set(name: str) -> None:
    assert digest(**{name: None}) == digest()
    assert digest(**{name: LATER[name]}) != digest()
    assert digest(ADA.model_copy(update={name: LATER[name]})) == digest(**{name: LATER[name]})


@pytest.mark.parametrize("name", [*LATER, "temperature", "top_p", "tool_choice"])
def test_a_runs_option_replaces_its_assistants(name: str) -> None:
    values = LATER | {"temperature": 0.5, "top_p": 0.5, "tool_choice": "required"}
    others = {"verbosity": "high", "reasoning_effort": "high", "extra_body": {"a": 1}}
    others |= {"tool_choice": "none", "safety_identifier": "v", "service_tier": "auto"}
    assistant = ADA.model_copy(update={name: values[name]})
    own = enqueue_command(RunRequest(assistant, "hello"), Settings()).request.options
    assert getattr(own, name) == values[name]
    for value in (others.get(name, 1), None):
        request = RunRequest(assistant, "hello", options={name: value})
        assert getattr(enqueue_command(request, Settings()).request.options, name) == value


def test_an_extra_body_says_what_it_must_not_set() -> None:
    with pytest.raises(TypeError, match="'extra_body' is not valid: it must not set model, stream"):
        options(extra_body={"stream": False, "model": "x", "seed": 1})
