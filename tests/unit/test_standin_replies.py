"""How replies are cut into tokens and limited, and how scripted brains choose them."""

import asyncio

import pytest

from threadmill import testing
from threadmill.testing import Call, Fault, Reasoning, Reply, Request, Text, by_text, scripted
from threadmill.testing.standin.brain import answer_of
from threadmill.testing.standin.conversation import Message
from threadmill.testing.standin.replies import tokens_of
from threadmill.testing.standin.sse import encode_token


def asked(text: str) -> Request:
    entries = [Message("user", text)]
    return Request("chat", "m", "", entries, [], None, None, True, {}, {}, b"")


def answer(brain, text=""):
    return asyncio.run(answer_of(brain, asked(text)))


@pytest.mark.parametrize("text", ["", "Hello, world!", " a  b\n\n", "Überraschung 你好 🎲🎲 x_y"])
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens_of(text)) == text


def test_words_are_cut_into_pieces_that_keep_the_space_before_them():
    assert tokens_of("Hello, extraordinary!") == ("Hello", ",", " extraord", "inary", "!")


def test_a_text_may_say_what_its_tokens_are():
    text = Text(["a ", "", "b"])
    assert (text.tokens, text.text) == (("a ", "", "b"), "a b")


def test_half_a_surrogate_pair_can_be_sent():
    assert encode_token("\ud83c") == b'"\\ud83c"'


def test_arguments_are_compact_json_or_the_text_that_was_given():
    assert Call("add", {"a": 1, "b": "ü"}).text == '{"a":1,"b":"ü"}'
    assert Call("add", "{oops").text == "{oops"


def test_a_stop_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="tired"):
        Reply([], stop="tired")


def test_a_limit_cuts_a_text_and_says_so():
    reply = Reply([Reasoning("Hm"), Text(["a", "b", "c"]), Call("add")]).limited(3)
    assert list(reply.parts) == [Reasoning("Hm"), Text(("a", "b"))]
    assert reply.stop == "length"


def test_a_limit_leaves_no_half_of_a_call():
    reply = Reply([Text(["a"]), Call("add", {"a": 1})]).limited(2)
    assert list(reply.parts) == [Text(["a"])]


@pytest.mark.parametrize("limit", [None, 2])
def test_a_reply_within_its_limit_is_not_changed(limit):
    reply = Reply([Text(["a", "b"])])
    assert reply.limited(limit) is reply


def test_a_script_is_given_in_order_and_then_says_that_it_is_over():
    brain = scripted("one", Fault.status(500))
    assert answer(brain) == Reply([Text("one")])
    assert answer(brain) == Fault.status(500)
    with pytest.raises(LookupError, match=r"All 2 scripted answers were used.*'more'"):
        answer(brain, "more")


def test_by_text_prefers_the_equal_key_and_gives_sequences_in_turn():
    turns = [Reply([Call("weather")]), "It rains."]
    brain = by_text({"weather": turns, "weather?": "Which?"}, otherwise=lambda _: "What?")
    assert answer(brain, "weather?") == answer(brain, "weather?") == Reply([Text("Which?")])
    assert answer(brain, "the weather, please") == turns[0]
    assert answer(brain, "the weather, please") == Reply([Text("It rains.")])
    assert answer(brain, "Hello!") == Reply([Text("What?")])


def test_a_brain_may_be_a_coroutine_function():
    async def brain(request):
        return f"You said {request.last_user_text}."

    assert answer(brain, "so") == Reply([Text("You said so.")])


def test_a_brain_that_answers_something_else_is_told_what_it_can_answer():
    with pytest.raises(TypeError, match="a Reply, a Fault or a str, not int"):
        answer(lambda _: 5)


def test_the_public_names_are_sorted_and_there():
    assert testing.__all__ == sorted(testing.__all__)
    assert all(getattr(testing, name) for name in testing.__all__)
    assert set(testing.__all__) <= set(dir(testing))
    with pytest.raises(AttributeError, match="no attribute 'Standin'"):
        testing.Standin  # noqa: B018
