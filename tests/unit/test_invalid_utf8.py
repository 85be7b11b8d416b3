"""Bytes of an answer that are not valid UTF-8: the answer counts, and whole characters are kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.odd_streams import (
    DONE,
    END,
    body,
    call,
    completed,
    delta,
    done,
    event,
    frame,
    message,
    piece,
    read_answer,
    said,
)
from tests.support.stream_reading import answer_in, read_stream

from threadmill_shared.errors import ModelRefused
from threadmill_shared.records import lenient


def raw(data: Any) -> bytes:
    """An event whose texts have, instead of `\\udcXX`, the byte XX."""
    text = json.dumps(data, ensure_ascii=False)
    return b"data: " + text.encode(errors="surrogateescape") + b"\n\n"


def bytes_in(text: bytes) -> str:
    """A text for `raw` that stands for these bytes."""
    return text.decode(errors="surrogateescape")


EARTH = "🌍".encode()

CUT: dict[str, tuple[list[bytes], str]] = {
    "in two": ([b"World " + EARTH[:2], EARTH[2:] + b"!"], "World 🌍!"),
    "in four": ([EARTH[:1], EARTH[1:2], EARTH[2:3], EARTH[3:]], "🌍"),
    "with an empty delta between": ([EARTH[:3], b"", EARTH[3:]], "🌍"),
    "twice": ([EARTH[:1], EARTH[1:] + "é".encode()[:1], "é".encode()[1:]], "🌍é"),
    "at the end": ([b"World " + EARTH[:3]], "World \ufffd"),
    "at the beginning": ([EARTH[1:] + b"!"], "\ufffd\ufffd\ufffd!"),
    "and never completed": ([EARTH[:2], b"a"], "\ufffda"),
    "no UTF-8 at all": (["Größe".encode("latin-1"), b" 7"], "Gr\ufffd\ufffde 7"),
    "a lone byte": ([b"a\xffb", b"c"], "a\ufffdbc"),
    "a surrogate's bytes": ([b"a\xed\xa0\xbdb"], "a\ufffd\ufffd\ufffdb"),
    "beside whole ones": (["é🌍".encode() + EARTH[:2], EARTH[2:] + "é".encode()], "é🌍🌍é"),
}


@pytest.mark.parametrize(("texts", "whole"), CUT.values(), ids=CUT)
def test_characters_whose_bytes_are_cut_are_joined_and_others_are_replaced(
    texts: list[bytes], whole: str
) -> None:
    chat = [raw(said(bytes_in(text))) for text in texts]
    responses = [raw(delta(bytes_in(text))) for text in texts]
    assert read_answer("chat", *chat, *END).text == whole
    assert read_answer("chat", *chat, DONE).text == whole
    assert read_answer("responses", *responses, completed()).text == whole
    assert read_answer("responses", *responses, DONE).text == whole


@pytest.mark.parametrize(("texts", "whole"), CUT.values(), ids=CUT)
def test_the_events_of_the_responses_api_that_repeat_the_text_do_not_change_it(
    texts: list[bytes], whole: str
) -> None:
    deltas = [raw(delta(bytes_in(text))) for text in texts]
    said_whole = bytes_in(b"".join(texts))
    again = raw(event("output_text.done", output_index=0, text=said_whole))
    item = raw(done(message(said_whole)))
    assert read_answer("responses", *deltas, again, item, completed()).text == whole
    assert read_answer("responses", item, completed()).text == whole


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (b'{"grams":3,"of":"caf\xe9"}', '{"grams":3,"of":"caf\ufffd"}'),
        (b'{"of":"' + EARTH + b'"}', '{"of":"🌍"}'),
        (b'{"of":"' + EARTH[:2] + b'"}', '{"of":"\ufffd"}'),
    ],
)
def test_the_arguments_of_a_call_are_kept_but_for_what_is_no_character(
    written: bytes, meant: str
) -> None:
    arguments = bytes_in(written)
    whole = raw(piece("weigh", arguments, index=0, id="call_1"))
    assert read_answer("chat", whole, *END).calls == (("weigh", meant),)
    item = raw(done(call("weigh", arguments)))
    assert read_answer("responses", item, completed()).calls == (("weigh", meant),)


@pytest.mark.parametrize("place", [8, 9, 10])
def test_a_character_that_is_cut_between_two_pieces_of_arguments_is_joined(place: int) -> None:
    written = b'{"of":"' + EARTH + b'"}'
    begin, end = bytes_in(written[:place]), bytes_in(written[place:])
    pieces = [raw(piece("weigh", begin, index=0, id="call_1")), raw(piece(None, end, index=0))]
    assert read_answer("chat", *pieces, *END).calls == (("weigh", '{"of":"🌍"}'),)


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_body_that_is_cut_in_the_middle_of_characters_is_read_as_a_whole(api: str) -> None:
    said_all = "Größe 🌍, naïve ﷽"
    ends = END if api == "chat" else (completed(),)
    text = said(said_all) if api == "chat" else delta(said_all)
    whole = raw(text) + body(*ends)
    for place in range(len(raw(text))):
        found, error = read_stream(api, whole[:place], whole[place:])
        assert error is None
        assert answer_in(found).text == said_all
    found, error = read_stream(api, *(whole[at : at + 1] for at in range(len(whole))))
    assert error is None
    assert answer_in(found).text == said_all


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_byte_that_is_not_valid_beside_the_answer_does_not_matter(api: str) -> None:
    ends = END if api == "chat" else (completed(),)
    text = said("Hello") if api == "chat" else delta("Hello")
    beside = raw({**text, "system_fingerprint": bytes_in(b"fp\xe9")})
    comment, unknown = b": caf\xe9\n\n", raw({"type": bytes_in(b"x\xff"), "choices": []})
    assert read_answer(api, comment, unknown, beside, *ends).text == "Hello"


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_a_document_that_is_no_stream_may_have_such_bytes_too(api: str) -> None:
    text = bytes_in(b"caf\xe9 " + EARTH)
    chat = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
    document = chat if api == "chat" else {"object": "response", "output": [message(text)]}
    found, error = read_stream(api, raw(document).removeprefix(b"data: "))
    assert error is None
    assert answer_in(found).text == "caf\ufffd 🌍"


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_an_error_with_such_bytes_keeps_its_kind_and_the_providers_words(api: str) -> None:
    told = {"code": "insufficient_quota", "message": bytes_in(b"D\xe9pass\xe9.")}
    response = event("failed", response={"error": told})
    _, error = read_stream(api, raw({"error": told} if api == "chat" else response))
    assert type(error) is ModelRefused
    assert "insufficient_quota" in str(error)
    assert "D?pass?" in str(error)


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_other_garbage_is_garbage_still(api: str) -> None:
    _, error = read_stream(api, b"data: {oops\xff\n\n", frame(DONE))
    assert error is not None
    assert "violates its protocol (no JSON)" in str(error)


def test_escaped_halves_of_characters_are_no_bytes() -> None:
    assert lenient.whole_characters("\ud83d\udc9f") == "💟"
    assert lenient.whole_characters("\ud83d\udc9f\udc9f") == "💟\ufffd"
    assert lenient.whole_characters("a\udcc3\udca9\ud83d") == "aé\ufffd"
    assert read_answer("chat", said("a\ud83d"), said("\udc9fb"), *END).text == "a💟b"
