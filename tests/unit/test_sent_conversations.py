"""Whatever a thread has stored, the next request is one that every provider takes."""

import json
import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.protocol_rules import is_strict_object, violations

from threadmill_shared.model import ModelRequest
from threadmill_shared.records.items import text_part
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.responses_request import responses_body

BODIES = {"responses": responses_body, "chat": chat_body}
apis = pytest.mark.parametrize("api", BODIES)

NAMES = [
    "roll",
    "web.look_up",
    "",
    " ",
    "x" * 200,
    "roll<|channel|>commentary",
    "würfle",
    "a\ud800",
]
ARGUMENTS = [
    "{}",
    '{"n": 1}',
    '{"n": 1, "n": 2}',
    "",
    " ",
    '{"n": ',
    "null",
    '"text"',
    "[1]",
    "3",
    '{"n": NaN}',
    '{"n": -Infinity}',
    '{"n": 1e999}',
    '{"n": "\\ud83d"}',
    '{"n": "\ud83d"}',
    '{"n": "\\u0000"}',
    '{"n": "\0"}',
    '"{\\"n\\": 1}"',
    "{'n': 1}",
    "{} {}",
    '{"n": 1} thanks',
    "\ufeff{}",
    '{"n": ' + "9" * 5000 + "}",
    '{"n": ' + "[" * 200 + "]" * 200 + "}",
]


def is_sendable(text):
    """Whether a body can have this text in it."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


CALL_IDS = ["call_1", "", "x" * 65, "x" * 105, " c ", "ü", "functions.roll:0", "a b", "c\n", "a.b"]
MESSAGE_IDS = ["msg_1", "msg_2", "m1", "", "msg_" + "x" * 90, "msg é", "msg"]
TEXTS = ["Hello", "", " ", "\n\t", "\0", " \0 ", "\ud83d", "\ud83d\ude00", "a\0b", "\u2003"]
RUNS = ["run_1", "run_2", "run_3"]
OUR_IDS = ["call_a", "call_b", "call_c"]
CODE = {
    "type": "code_interpreter_call",
    "container_id": "cntr_1",
    "code": "print(51)",
    "status": "completed",
    "outputs": [{"type": "logs", "logs": "51\n"}],
}
WEB = {
    "type": "web_search_call",
    "status": "completed",
    "action": {"type": "search", "query": "weather"},
}
SEARCH = {"type": "file_search_call", "status": "completed", "queries": ["x"], "results": []}
REASONING = {"type": "reasoning", "summary": [], "encrypted_content": "xyz"}


def message(role, text, id="msg_1", run_id=None, images=()):
    parts = [text_part(text)] if text is not None else []
    parts += [{"type": "image_file", "image_file": {"file_id": one}} for one in images]
    rest = {"status": "completed", "run_id": run_id, "metadata": {}}
    return {"type": "message", "id": id, "role": role, "content": parts, **rest}


def call(id="call_a", provider_id="call_1", name="roll", arguments="{}", run_id="run_1"):
    given = {"id": id, "provider_id": provider_id, "name": name, "arguments": arguments}
    return {"type": "tool_call", **given, "run_id": run_id}


def output(id="call_a", provider_id="call_1", text="4", run_id="run_1"):
    given = {"call_id": id, "provider_id": provider_id, "output": text, "failed": False}
    return {"type": "tool_output", **given, "run_id": run_id}


def hosted(data, id, run_id="run_1"):
    kind = data["type"].removesuffix("_call")
    return {"type": "hosted_call", "kind": kind, "data": {**data, "id": id}, "run_id": run_id}


def reasoning(id="rs_1", model="m", run_id="run_1"):
    data = {**REASONING, "id": id} if id is not None else REASONING
    return {"type": "reasoning", "model": model, "data": data, "run_id": run_id}


def note(text, run_id="run_1"):
    return {"type": "note", "text": text, "run_id": run_id}


def any_of(values):
    return st.sampled_from(values)


def items():
    run, text = any_of(RUNS), any_of(TEXTS)
    images = st.lists(any_of(["file_here", "file_gone"]), max_size=2)
    roles, texts = any_of(["user", "assistant"]), any_of([*TEXTS, None])
    return st.one_of(
        st.builds(message, roles, texts, any_of(MESSAGE_IDS), run, images),
        st.builds(call, any_of(OUR_IDS), any_of(CALL_IDS), any_of(NAMES), any_of(ARGUMENTS), run),
        st.builds(output, any_of(OUR_IDS), any_of(CALL_IDS), text, run),
        st.builds(hosted, st.just(CODE), any_of(["ci_1", "ci_2", "", "x", "ci_" + "x" * 70]), run),
        st.builds(hosted, st.just(SEARCH), any_of(["fs_1", "fs_2", "", "x"]), run),
        st.builds(hosted, st.just(WEB), any_of(["ws_1", "ws_2", "", "x"]), run),
        st.builds(reasoning, any_of(["rs_1", "rs_2", None, "", "x"]), any_of(["m", "o"]), run),
        st.builds(note, text, run),
    )


def request(sent, instructions="Be kind.", **more):
    images = {"file_here": "data:image/png;base64,AAAA"}
    return ModelRequest(
        model="m", instructions=instructions, items=sent, images=images, run_id="run_3", **more
    )


@apis
@settings(max_examples=300, deadline=None)
@given(sent=st.lists(items(), max_size=10), instructions=any_of(TEXTS))
@example(sent=[], instructions="")
def test_a_request_violates_no_rule_whatever_is_stored(api, sent, instructions):
    assert violations(api, BODIES[api](request(sent, instructions))) == []


@apis
@settings(max_examples=50, deadline=None)
@given(sent=st.lists(items(), max_size=10))
def test_the_same_items_make_the_same_request(api, sent):
    assert BODIES[api](request(sent)) == BODIES[api](request(sent))


@apis
def test_what_is_fit_goes_back_as_it_is(api):
    sent = [message("user", "Roll"), call(arguments='{"n": 1}'), output()]
    body = json.dumps(BODIES[api](request(sent)))
    for text in ("Roll", "roll", json.dumps('{"n": 1}'), '"call_1"', '"4"'):
        assert text in body


@apis
@pytest.mark.parametrize("id", ["x" * 41, "x" * 65, "", " ", "a b", "ü"])
def test_an_unfit_call_id_is_replaced_by_the_same_one_in_every_request(api, id):
    turn = [message("user", "Roll"), call(provider_id=id), output(provider_id=id)]
    [first] = call_ids(api, turn)
    assert first.isalnum()
    later = [*turn, message("assistant", "4"), message("user", "Again"), call("call_b", "call_2")]
    assert call_ids(api, [*later, output("call_b", "call_2")]) == [first, "call_2"]


def test_an_id_of_kimi_goes_back_since_it_holds_the_functions_name():
    sent = [message("user", "Roll"), call(provider_id="functions.roll:0"), output()]
    assert call_ids("chat", sent) == ["functions.roll:0"]


def call_ids(api, sent):
    body = BODIES[api](request(sent))
    if api == "chat":
        return [one["id"] for message in body["messages"] for one in message.get("tool_calls", ())]
    return [one["call_id"] for one in body["input"] if one["type"] == "function_call"]


@apis
@pytest.mark.parametrize("arguments", [one for one in ARGUMENTS if is_sendable(one)])
def test_arguments_go_back_if_they_are_an_object_and_as_an_empty_one_if_not(api, arguments):
    body = BODIES[api](request([message("user", "Roll"), call(arguments=arguments), output()]))
    sent = arguments if is_strict_object(arguments) else "{}"
    if arguments.count("[") > 64:
        sent = "{}"
    assert json.dumps(sent) in json.dumps(body)


@apis
def test_a_call_without_an_output_has_one_that_says_so(api):
    body = json.dumps(BODIES[api](request([message("user", "Roll"), call()])))
    assert "Whether it had an effect is not known" in body


@apis
def test_each_output_goes_to_its_own_call_though_they_are_mixed_up(api):
    turn = [call("call_a", "c1"), call("call_b", "c2")]
    outputs = [output("call_b", "c2", "of b"), output("call_a", "c1", "of a")]
    random.Random(1).shuffle(outputs)
    body = BODIES[api](request([message("user", "Roll"), *turn, *outputs]))
    answers = (
        {one["tool_call_id"]: one["content"] for one in body["messages"] if one["role"] == "tool"}
        if api == "chat"
        else {one["call_id"]: one["output"] for one in body["input"] if "output" in one}
    )
    assert answers == {"c1": "of a", "c2": "of b"}


@apis
def test_code_of_an_earlier_run_is_told_with_what_it_printed(api):
    sent = [message("user", "17 * 3?"), hosted(CODE, "ci_1"), message("assistant", "51.")]
    body = json.dumps(BODIES[api](request([*sent, message("user", "And?")])))
    assert "cntr_1" not in body
    assert "print(51)" in body
    assert "51\\n" in body


def test_code_of_this_run_goes_back_as_it_is():
    body = responses_body(request([message("user", "17 * 3?"), hosted(CODE, "ci_1", "run_3")]))
    assert body["input"][-1] == {**CODE, "id": "ci_1"}


def test_code_of_a_container_that_is_in_use_goes_back_as_it_is():
    sent = [message("user", "Read it"), hosted(CODE, "ci_1"), {**hosted(CODE, "ci_2"), "at": now()}]
    body = responses_body(request([*sent, message("user", "And?")]))
    assert [item.get("id") for item in body["input"][1:3]] == ["ci_1", "ci_2"]


@pytest.mark.parametrize("run_id", ["run_1", "run_3"])
def test_code_of_a_container_that_was_long_not_in_use_is_told(run_id):
    call = {**hosted(CODE, "ci_1", run_id), "at": now() - 16 * 60}
    body = json.dumps(responses_body(request([message("user", "Read it"), call])))
    assert "cntr_1" not in body
    assert "print(51)" in body


@pytest.mark.parametrize("at", [None, "yesterday", [], pytest.param(10**400, id="huge"), -1.5])
def test_a_time_of_use_that_is_none_means_that_the_container_may_be_gone(at):
    foreign = {**hosted(CODE, "ci_1"), "at": at}
    del foreign["run_id"]
    body = json.dumps(responses_body(request([message("user", "Read it"), foreign])))
    assert "cntr_1" not in body
    assert "print(51)" in body


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        ({"summary": ["x", 1, None, {"text": 5}]}, {"summary": []}),
        ({"summary": None}, {"summary": []}),
        ({"summary": "x"}, {"summary": []}),
        ({}, {"summary": []}),
        ({"summary": [{"text": "a"}]}, {"summary": [{"type": "summary_text", "text": "a"}]}),
        (
            {"content": ["x", {"text": 5}, {"type": "reasoning_text", "text": "a"}]},
            {"summary": [], "content": [{"type": "reasoning_text", "text": "a"}]},
        ),
        ({"content": None}, {"summary": [], "content": None}),
    ],
)
def test_reasoning_has_a_summary_and_parts_that_providers_take(told, sent):
    sealed = {"type": "reasoning", "id": "rs_1", "encrypted_content": "xyz"}
    kept = {**reasoning(), "data": {**sealed, **told}}
    body = responses_body(request([message("user", "Go"), kept, message("assistant", "Gone")]))
    assert body["input"][1] == {**sealed, **sent}


def test_reasoning_whose_content_has_no_texts_is_left_out():
    kept = {**reasoning(), "data": {"type": "reasoning", "id": "rs_1", "content": [5, {}]}}
    body = responses_body(request([message("user", "Go"), kept, message("assistant", "Gone")]))
    assert [item["type"] for item in body["input"]] == ["message", "message"]


def now():
    return int(time.time())


def test_a_web_search_is_told_in_chat_and_goes_back_in_responses():
    sent = [message("user", "Rain?"), hosted(WEB, "ws_1")]
    assert "the web was searched for: weather" in json.dumps(chat_body(request(sent)))
    assert responses_body(request(sent))["input"][-1]["type"] == "web_search_call"


def test_a_long_log_is_told_in_part():
    data = {**CODE, "outputs": [{"type": "logs", "logs": "x" * 1_000_000}]}
    body = json.dumps(chat_body(request([message("user", "Go"), hosted(data, "ci_1")])))
    assert "992000 more characters" in body
    assert len(body) < 20_000


def test_a_search_is_told_in_chat_and_goes_back_in_responses():
    found = [{"file_id": "file-1", "filename": "a.txt", "text": "The sky is green.", "score": 1}]
    sent = [message("user", "Sky?"), hosted({**SEARCH, "results": found}, "fs_1")]
    assert "a.txt: The sky is green." in json.dumps(chat_body(request(sent)))
    assert responses_body(request(sent))["input"][-1]["type"] == "file_search_call"


def test_messages_of_one_role_are_one_in_chat():
    sent = [message("user", "First."), message("user", "Second.", images=["file_here"])]
    sent += [note("Third."), message("assistant", "a"), message("assistant", "b", run_id="run_2")]
    [_, users, assistants] = chat_body(request(sent))["messages"]
    assert [part.get("text") for part in users["content"]] == ["First.\n\nSecond.", None, "Third."]
    assert assistants == {"role": "assistant", "content": "a\n\nb"}


@apis
def test_an_image_that_is_not_at_hand_is_told_in_its_place(api):
    sent = message("user", "Look", images=["file_gone", "file_here"])
    body = json.dumps(BODIES[api](request([sent])))
    assert "An image of this message cannot be shown any more" in body
    assert body.count("data:image/png") == 1
