"""What servers of either API send besides the protocol: the received answer counts, once."""

from __future__ import annotations

import pytest
from tests.support.odd_streams import (
    DONE,
    END,
    HELLO,
    WEIGH,
    body,
    chunk,
    completed,
    delta,
    done,
    failure,
    piece,
    read_answer,
    said,
)
from tests.support.stream_reading import answer_in, read_stream

from threadmill_shared.errors import ModelGarbled
from threadmill_shared.model import ReasoningReceived
from threadmill_workers.models import streaming


def test_the_other_api_is_named():
    for error in (failure("responses", said("a"), *END), failure("chat", delta("a"), completed())):
        assert isinstance(error, ModelGarbled)
        assert "THREADMILL_MODEL_API" in str(error)


CUT_CHARACTERS: dict[str, tuple[list[str], str]] = {
    "in two": (["World \ud83c", "\udf0d!"], "World 🌍!"),
    "alone in its delta": (["World ", "\ud83c", "\udf0d", "!"], "World 🌍!"),
    "with an empty delta between": (["\ud83c", "", "\udf0d"], "🌍"),
    "twice": (["\ud83c", "\udf0d\ud83c", "\udf0d"], "🌍🌍"),
    "at the end": (["World \ud83c"], "World \ufffd"),
    "at the beginning": (["\udf0d!"], "\ufffd!"),
    "in the middle": (["a\ud83cb", "c\udf0dd"], "a\ufffdbc\ufffdd"),
    "the wrong way round": (["\udf0d\ud83c"], "\ufffd\ufffd"),
    "two first halves": (["\ud83c", "\ud83c", "\udf0d"], "\ufffd🌍"),
    "beside whole ones": (["é🌍\ud83c", "\udf0dé"], "é🌍🌍é"),
}


@pytest.mark.parametrize(("texts", "whole"), CUT_CHARACTERS.values(), ids=CUT_CHARACTERS)
def test_halves_of_characters_are_joined_and_none_is_lost(texts, whole):
    assert read_answer("chat", *map(said, texts), *END).text == whole
    assert read_answer("chat", *map(said, texts), DONE).text == whole
    assert read_answer("responses", *map(delta, texts), completed()).text == whole
    assert read_answer("responses", *map(delta, texts), DONE).text == whole
    assert read_answer("chat", said("".join(texts)), *END).text == whole


def test_half_a_character_at_the_end_of_a_message_is_in_that_message():
    found, _ = read_stream("chat", body(said("a\ud83c"), piece(*WEIGH), *END))
    kinds = [type(one).__name__ for one in found]
    assert kinds == ["TextDelta", "TextDelta", "MessageEnded", "ToolCalled", "TurnEnded"]


def test_what_is_stored_of_an_item_has_whole_characters():
    item = {"type": "reasoning", "id": "rs_\ud83c", "encrypted_content": "x\udf0d", "summary": []}
    found, _ = read_stream("responses", body(done(item), delta("a"), completed()))
    [data] = [one.data for one in found if isinstance(one, ReasoningReceived)]
    assert (data["id"], data["encrypted_content"]) == ("rs_\ufffd", "x\ufffd")


def test_a_body_that_stays_open_after_the_reason_ends_the_answer(monkeypatch):
    monkeypatch.setattr(streaming, "LAST_SECONDS", 0.05)
    found, error = read_stream("chat", body(said("Hello"), chunk({}, "stop")), stays_open=True)
    assert error is None
    assert answer_in(found) == HELLO
