"""Requests that a provider refuses, and so does the stand-in; answers that no provider gives.

`tests/unit/test_standin_rules.py` has a request for each rule.
"""

from __future__ import annotations

import subprocess
import sys

import openai
import pytest
from tests.support.openai_client import CHAT_TOOL, RESPONSES_TOOL, USER, ask_chat, ask_responses

from threadmill.testing import Call, Code, Reply, StandIn, WebQuery, WebSource
from threadmill.testing.standin.rules import RULES

CALLED = {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "3"}
FORCED = {"type": "function", "name": "add"}
CODE_TOOL = {"type": "code_interpreter", "container": {"type": "auto"}}


def test_a_refusal_has_the_providers_form_and_names_its_rule(standin):
    long = {"call_id": "c" * 65}
    with pytest.raises(openai.BadRequestError) as caught:
        ask_responses(standin, input=[USER, CALLED | long, RESULT | long])
    assert caught.value.body == {
        "message": "Invalid 'input[1].call_id': string too long. Expected a string with maximum "
        "length 64, but got a string with length 65 instead.",
        "type": "invalid_request_error",
        "param": "input[1].call_id",
        "code": "string_above_max_length",
    }
    [record] = standin.requests
    assert (record.status, record.refused_by) == (400, "call_id_length")


def test_a_refusal_of_chat_names_the_place_in_its_messages(standin):
    with pytest.raises(openai.BadRequestError, match="Invalid value: 'bot'") as caught:
        ask_chat(standin, messages=[{"role": "bot", "content": "Hi"}])
    assert (caught.value.code, caught.value.param) == ("invalid_value", "messages[0].role")


def test_a_request_without_input_is_refused(standin):
    with pytest.raises(openai.BadRequestError, match="Missing required parameter: 'input'"):
        ask_responses(standin, input=openai.omit)


def test_a_rule_is_switched_off_by_name(standin):
    standin.allow("call_without_output")
    assert ask_responses(standin, input=[USER, CALLED]).status == "completed"
    standin.refuse("call_without_output", "alternating_roles")
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        ask_responses(standin, input=[USER, CALLED])
    with pytest.raises(openai.BadRequestError, match="roles must alternate"):
        ask_chat(standin, messages=[USER, USER])


def test_a_lenient_stand_in_answers_all_the_same():
    with StandIn(strict=False) as standin:  # What this switches off is the subject.
        called = [USER, CALLED, CALLED, RESULT, RESULT | {"output": "4"}]
        assert (
            ask_responses(standin, input=called).output_text == "add answered: 3. add answered: 4."
        )


@pytest.mark.parametrize("choice", ["required", FORCED])
def test_a_scripted_text_in_place_of_a_forced_call_is_an_error_that_says_so(standin, choice):
    standin.brain = lambda _: "Hello."
    with pytest.raises(openai.BadRequestError, match="every provider would call") as caught:
        ask_responses(standin, tools=[RESPONSES_TOOL], tool_choice=choice)
    assert caught.value.code == "contradicts_tool_choice"
    assert standin.requests[0].error is not None
    standin.allow("tool_choice")
    answer = ask_responses(standin, tools=[RESPONSES_TOOL], tool_choice=choice)
    assert answer.output_text == "Hello."


def test_a_scripted_call_of_another_tool_than_the_forced_one_is_an_error(standin):
    standin.brain = lambda _: Reply([Code("1")])
    with pytest.raises(openai.BadRequestError, match="calls code_interpreter"):
        ask_responses(standin, tools=[RESPONSES_TOOL, CODE_TOOL], tool_choice=FORCED)


def test_a_scripted_call_where_none_may_be_made_is_an_error(standin):
    standin.brain = lambda _: Reply([Call("add")])
    with pytest.raises(openai.BadRequestError, match="no provider would call 'add'"):
        ask_chat(standin, tools=[CHAT_TOOL], tool_choice="none")


def test_an_answer_that_was_cut_off_may_lack_the_forced_call(standin):
    standin.brain = lambda _: Reply([], stop="length")
    answer = ask_responses(standin, tools=[RESPONSES_TOOL], tool_choice="required")
    assert answer.status == "incomplete"


@pytest.mark.parametrize("choice", ["required", FORCED])
def test_without_a_script_a_forced_call_is_made_with_arguments_that_fit(standin, choice):
    takes = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    tool = RESPONSES_TOOL | {"parameters": takes}
    [call] = ask_responses(standin, tools=[tool], tool_choice=choice).output
    assert (call.name, call.arguments) == ("add", '{"a":1}')


def test_without_a_script_a_forced_hosted_tool_is_used(standin):
    tools = [RESPONSES_TOOL, {"type": "web_search"}, CODE_TOOL]
    web = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}
    for name, choice in (("web_search", web), ("code_interpreter", {"type": "code_interpreter"})):
        answer = ask_responses(standin, tools=tools, tool_choice=choice)
        assert answer.output[0].type == f"{name}_call"


def test_a_search_of_the_web_is_of_the_packages_types_and_cites_its_pages(standin):
    page = WebSource("https://tea.example/", "All about tea")
    standin.brain = lambda _: Reply([WebQuery("tea", [page])])
    tools = [{"type": "web_search"}]
    [call] = ask_responses(standin, tools=tools).output
    assert (call.type, call.action.query, call.action.sources) == ("web_search_call", "tea", None)
    include = ["web_search_call.action.sources"]
    [call] = ask_responses(standin, tools=tools, include=include).output
    assert [source.url for source in call.action.sources] == [page.url]
    events = ask_responses(standin, tools=tools, stream=True)
    assert "response.web_search_call.searching" in [event.type for event in events]
    back = [USER, call.to_dict(), USER]
    assert ask_responses(standin, tools=tools, input=back).status == "completed"


def test_the_command_lists_its_rules_and_refuses_the_names_of_others():
    command = [sys.executable, "-m", "threadmill.testing.standin"]
    listed = subprocess.run([*command, "--rules"], capture_output=True, text=True, check=True)
    assert all(f"{rule.name}: {rule.refuses}" in listed.stdout for rule in RULES)
    wrong = subprocess.run([*command, "--allow", "x"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "no rule 'x'" in wrong.stderr
