"""Names of tools as models write them, and the tools that they mean."""

from __future__ import annotations

import pytest

from threadmill_workers.execution.tool_names import explain_unknown, meant_tool

OFFERED = ("roll", "roll_dice", "weigh-it", "functions", "commentary_x", "Paint")


@pytest.mark.parametrize("name", OFFERED)
def test_a_tools_own_name_means_that_tool(name):
    assert meant_tool(name, OFFERED) == name


@pytest.mark.parametrize(
    "written",
    [
        "functions.roll",
        "function.roll",
        "functions:roll",
        "functions/roll",
        "functions.functions.roll",
        "tools.roll",
        "tool.roll",
        "tool:roll",
        "default_api.roll",
        "default_api:roll",
        "to=functions.roll",
        "commentary to=functions.roll",
        "roll<|channel|>commentary",
        "roll<|channel|>",
        "roll<|channel|>analysis to=functions.weigh-it",
        "functions.roll<|constrain|>json",
        "roll <|message|>{}",
        "roll<|channel",
        "<|channel|>commentary to=functions.roll <|constrain|>json",
        "<|tool_call|>roll",
        " roll ",
        "roll\n",
        "\u200broll\u00a0",
        "roll\0",
        '"roll"',
        "'roll'",
        "`roll`",
        ' "functions.roll" ',
        'functions."roll"',
        "roll()",
        "roll( )",
        "functions.roll()",
        "functions.roll:0",
        "functions::roll",
        "default_api::roll",
        "commentary to=functions.roll json",
        "to=functions.roll json<|message|>",
        "roll json",
        "print(default_api.roll())",
        "print( default_api.roll( ) )",
    ],
)
def test_what_cannot_be_a_part_of_a_name_is_taken_away(written):
    assert meant_tool(written, OFFERED) == "roll"


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "()",
        "functions.",
        "<|channel|>",
        "Roll",
        "ROLL",
        "paint",
        "rol",
        "roll2",
        "rolls",
        "roll_",
        "_roll",
        "my_roll",
        "web.roll",
        "evil.functions.roll",
        "functions.web.roll",
        "roll.functions",
        "roll.dice",
        "roll dice",
        "roll-dice",
        "rolldice",
        "roll({})",
        "print(roll)",
        "print(roll())",
        "print(default_api.roll(n=1))",
        "print(default_api.roll)",
        "rolljson",
        "roll_json",
        "roll:::",
        "mcp__games__roll",
        "functions_roll",
        "roll,weigh-it",
        "x" * 200,
    ],
)
def test_any_other_name_means_no_tool(written):
    assert meant_tool(written, OFFERED) == written


def test_without_tools_no_name_means_one():
    assert meant_tool("functions.roll", ()) == "functions.roll"


def test_a_name_that_means_no_tool_is_answered_with_those_that_there_are():
    assert explain_unknown("web.roll", OFFERED[:2]) == (
        "there is no tool 'web.roll'. The tools are: roll, roll_dice."
    )
    assert (
        explain_unknown("roll", []) == "there is no tool 'roll', and no other; answer without one."
    )


def test_the_list_of_tools_is_bounded():
    text = explain_unknown("roll", [f"tool_{number}_{'x' * 50}" for number in range(128)])
    assert text.endswith(" and 78 more.")
    assert len(text) < 4000
