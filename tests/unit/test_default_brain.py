"""The stand-in's default brain: what it makes of a conversation."""

import json

import pytest

from threadmill.testing import Call, Reply, Request, Text, converse
from threadmill.testing.standin.conversation import Message, ToolCall, ToolResult


def asked(*entries, tools=(), tool_choice=None, api="responses", body=None) -> Request:
    entries = [Message("user", e) if isinstance(e, str) else e for e in entries]
    return Request(
        api=api,
        model="m",
        instructions="",
        entries=entries,
        tools=tools,
        tool_choice=tool_choice,
        max_tokens=None,
        stream=True,
        headers={},
        body=body or {},
        raw=b"",
    )


def only_text(reply: Reply) -> str:
    [part] = reply.parts
    assert isinstance(part, Text)
    return part.text


def calls(reply: Reply) -> list[tuple[str, str]]:
    return [(part.name, part.text) for part in reply.parts if isinstance(part, Call)]


def test_a_greeting_is_returned_and_the_messages_are_counted():
    text = only_text(converse(asked("Hello!")))
    assert text.startswith("Hello!")
    assert text.endswith("I have seen 1 message from you in this thread.")


def test_history_is_visible_in_the_count():
    text = only_text(converse(asked("Hello!", Message("assistant", "Hello!"), "It rains.")))
    assert 'You said: "It rains."' in text
    assert "I have seen 2 messages from you" in text


def test_a_thread_without_a_word_gets_an_answer():
    assert "0 messages" in only_text(converse(asked()))


@pytest.mark.parametrize(
    ("wish", "number"),
    [
        ("Please roll two dice", 2),
        ("Actually--roll five dice", 5),
        ("roll 12 dice", 12),
        ("Roll a die!", 1),
        ("roll Seven more dice", 7),
    ],
)
def test_dice_are_rolled_by_the_tool_as_many_as_are_wished(wish, number):
    reply = converse(asked("Please roll two dice", wish, tools=["roll_dice"]))
    assert calls(reply) == [("roll_dice", json.dumps({"n_dice": number}, separators=(",", ":")))]


@pytest.mark.parametrize("offer", [{"tools": []}, {"tools": ["roll_dice"], "tool_choice": "none"}])
def test_a_tool_that_may_not_be_used_is_not_called(offer):
    assert not calls(converse(asked("Roll two dice", **offer)))


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("[3, 1, 6, 2, 4]", "I rolled five dice: 3, 1, 6, 2 and 4. That makes 16."),
        ("[6]", "I rolled one die, and it shows 6."),
        ('{"error": "no dice"}', 'roll_dice answered: {"error": "no dice"}.'),
    ],
)
def test_what_was_rolled_is_reported(output, sentence):
    rolled = (ToolCall("c", "roll_dice"), ToolResult("c", output))
    assert only_text(converse(asked("Roll five dice", *rolled, tools=["roll_dice"]))) == sentence


def test_an_earlier_roll_does_not_answer_a_later_wish():
    rolled = (ToolCall("c", "roll_dice"), ToolResult("c", "[1]"), Message("assistant", "A one."))
    reply = converse(asked("Roll a die", *rolled, "Roll two dice", tools=["roll_dice"]))
    assert calls(reply) == [("roll_dice", '{"n_dice":2}')]


def test_calls_that_are_spelled_out_are_made_in_one_turn_as_they_are_spelled():
    text = 'Please call add {"a": "40", "of": {"b": 2}} and\ncall cry {}\ncall unknown {}'
    reply = converse(asked(text, tools=["add", "cry"]))
    assert calls(reply) == [("add", '{"a": "40", "of": {"b": 2}}'), ("cry", "{}")]


def test_arguments_that_are_no_json_are_sent_to_the_end_of_their_line():
    reply = converse(asked('call add {"a": 1\nthanks', tools=["add"]))
    assert calls(reply) == [("add", '{"a": 1')]


def test_the_outputs_of_tools_are_reported_each():
    done = (ToolCall("c", "add"), ToolCall("d", "cry"), ToolResult("d", ""), ToolResult("c", "3"))
    text = only_text(converse(asked("call add {}\ncall cry {}", *done, tools=["add", "cry"])))
    assert text == "cry answered: nothing. add answered: 3."


def test_control_words_make_exactly_so_many_tokens_at_that_pace():
    reply = converse(asked("tokens=50 delay=0.02"))
    [part] = reply.parts
    assert len(part.tokens) == 50
    assert reply.delay == 0.02


def test_without_control_words_the_servers_pace_is_kept():
    assert converse(asked("Hello!")).delay is None


LOOK_UP = {
    "name": "look_up",
    "parameters": {
        "type": "object",
        "properties": {
            "word": {"type": "string"},
            "times": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            "by": {"$ref": "#/$defs/By"},
            "left_out": {"type": "string"},
        },
        "required": ["word", "times", "by"],
        "$defs": {"By": {"enum": ["letter", "sound"]}},
    },
}


@pytest.mark.parametrize(
    ("api", "offer"),
    [
        ("responses", {"type": "function", **LOOK_UP}),
        ("chat", {"type": "function", "function": LOOK_UP}),
    ],
)
def test_a_tool_that_is_named_is_called_with_the_words_that_follow(api, offer):
    body = {"tools": [offer]}
    request = asked("Now look up tea, 2 times!", tools=["look_up"], api=api, body=body)
    [(name, arguments)] = calls(converse(request))
    assert (name, json.loads(arguments)) == ("look_up", {"word": "tea", "times": 2, "by": "letter"})


@pytest.mark.parametrize("word", ["tea", "http://localhost:80/a.b", "x"])
def test_a_word_ends_before_the_punctuation_that_follows(word):
    body = {"tools": [{"type": "function", **LOOK_UP}]}
    [(_, arguments)] = calls(converse(asked(f'Look up "{word}".', tools=["look_up"], body=body)))
    assert json.loads(arguments)["word"] == word


@pytest.mark.parametrize("text", ["Look upwards", "call unknown {} and look up tea", "tea"])
def test_a_tool_that_is_not_named_or_not_meant_is_not_called(text):
    body = {"tools": [{"type": "function", **LOOK_UP}]}
    assert not calls(converse(asked(text, tools=["look_up"], body=body)))


PLACE = {
    "type": "object",
    "properties": {
        "town": {"type": "string"},
        "people": {"type": "integer", "minimum": 3},
        "doors": {"type": "array", "items": {"type": "boolean"}},
    },
    "required": ["town", "people", "doors"],
}


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("responses", {"text": {"format": {"type": "json_schema", "schema": PLACE}}}),
        ("chat", {"response_format": {"type": "json_schema", "json_schema": {"schema": PLACE}}}),
    ],
)
def test_a_result_has_the_type_that_was_asked_for(api, body):
    text = only_text(converse(asked("Where is it?", api=api, body=body)))
    assert json.loads(text) == {"town": "town", "people": 3, "doors": [True]}


def test_a_schema_that_contains_itself_comes_to_an_end():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    body = {"text": {"format": {"type": "json_schema", "schema": node}}}
    assert only_text(converse(asked("Go!", body=body))).startswith('{"next": {"next": ')
