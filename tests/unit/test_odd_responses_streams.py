"""What servers of the Responses API send besides the protocol: the received answer counts, once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.odd_streams import (
    ALL_CUTS,
    BOTH,
    DONE,
    HELLO,
    PAINT,
    USAGE,
    WEIGH,
    Json,
    body,
    call,
    completed,
    delta,
    done,
    event,
    failure,
    message,
    read_answer,
)
from tests.support.stream_reading import Answer

from threadmill_shared.errors import ModelGarbled, ModelUnavailable
from threadmill_shared.model import FinishReason, Usage

RESPONSES_TEXTS: dict[str, list[Any]] = {
    "null deltas": [
        delta(None),
        delta("Hel"),
        delta(""),
        delta("lo"),
        done(message()),
        completed(),
    ],
    "no response": [delta("Hello"), done(message()), event("completed")],
    "a null response": [delta("Hello"), event("completed", response=None)],
    "no item that is done": [delta("Hel"), delta("lo"), completed()],
    "no deltas": [done(message()), completed()],
    "no deltas, and the item in both": [done(message()), completed(message())],
    "deltas and all": [delta("Hello"), done(message()), completed(message())],
    "an item twice": [delta("Hello"), done(message()), done(message()), completed(message())],
    "only the response": [completed(message())],
    "only the response, as a text": [completed(message() | {"content": "Hello"})],
    "only the response, of nulls": [completed(None, {"type": None}, message())],
    "deltas, and the item in the response": [delta("Hel"), completed(message())],
    "the rest in the item": [delta("Hel"), done(message()), completed()],
    "an item that differs": [delta("Hello"), done(message("Bye")), completed()],
    "a text that is done": [event("output_text.done", text="Hello"), done(message()), completed()],
    "a refusal that is done": [event("refusal.done", refusal="Hello"), completed()],
    "an item that is null": [delta("Hello"), done(None), completed()],
    "an item of no kind": [delta("Hello"), done({"a": 1}), done({"type": ["x"]}), completed()],
    "events of other kinds": [event("x.y", delta="?"), {"type": 7}, delta("Hello"), completed()],
    "pings": [{"type": "keepalive"}, "ping", "{}", "", delta("Hello"), b": x\n\n", completed()],
    "text in parts": [delta([{"type": "output_text", "text": "Hel"}, {"text": "lo"}]), completed()],
    "[DONE] after the end": [delta("Hello"), completed(), DONE],
    "[DONE] in place of the end": [delta("Hello"), DONE],
    "[DONE] after an item": [done(message()), "[DONE] "],
    "[DONE] without its blank line": [delta("Hello"), b"data: [DONE]"],
    "an end without its blank line": [delta("Hello"), body(completed())[:-2]],
    "another name of the end": [delta("Hello"), event("done", response={"output": [message()]})],
    "carriage returns": [body(delta("Hello"), completed()).replace(b"\n", b"\r\n")],
    "a document": [json.dumps({"object": "response", "output": [message()]}).encode()],
    "a document with its status": [
        json.dumps(
            {"object": "response", "status": "completed", "output": [message()]}, indent=2
        ).encode()
    ],
}


@pytest.mark.parametrize("events", RESPONSES_TEXTS.values(), ids=RESPONSES_TEXTS)
def test_responses_give_the_text_that_was_received(events):
    assert read_answer("responses", *events) == HELLO


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, Usage()),
        ([], Usage()),
        ({}, Usage()),
        ({"input_tokens": 9}, Usage(9, 0, 9)),
        ({"input_tokens": "9", "output_tokens": 4.0, "total_tokens": None}, Usage(9, 4, 13)),
        ({"input_tokens": -1, "output_tokens": "x"}, Usage()),
        (USAGE, Usage(9, 4, 13)),
    ],
)
def test_responses_count_the_tokens_that_were_told(usage, counted):
    assert read_answer("responses", delta("a"), completed(usage=usage)).usage == counted
    beside = completed() | {"usage": usage}
    assert read_answer("responses", delta("a"), beside).usage == counted


ADDED = [
    event("output_item.added", output_index=at, item=call(name, ""))
    for at, name in enumerate(("weigh", "paint"))
]


def arguments(at: int, text: Any, kind: str = "delta") -> Json:
    name = ("weigh", "paint")[at]
    told = {"delta": text} if kind == "delta" else {"arguments": text}
    return event(f"function_call_arguments.{kind}", item_id=f"fc_{name}", output_index=at, **told)


PIECES = [
    arguments(0, '{"grams"'),
    arguments(1, '{"colour"'),
    arguments(0, ":3}"),
    arguments(1, ':"red"}'),
]
WHOLE = [arguments(0, WEIGH[1], "done"), arguments(1, PAINT[1], "done")]
DONE_CALLS = [done(call(*WEIGH)), done(call(*PAINT))]
RESPONSES_CALLS: dict[str, list[Any]] = {
    "items that are done": DONE_CALLS,
    "pieces and items": [*ADDED, *PIECES, *DONE_CALLS],
    "items without arguments": [
        *ADDED,
        *PIECES,
        done(call("weigh", "")),
        done(call("paint", None)),
    ],
    "arguments in pieces only": [*ADDED, *PIECES],
    "arguments that are done only": [*ADDED, *WHOLE],
    "arguments twice": [*ADDED, *PIECES, *WHOLE],
    "items one after the other, without ids": [
        ADDED[0] | {"item": call("weigh", "", id=None), "output_index": None},
        event("function_call_arguments.delta", delta=WEIGH[1]),
        done(call(*WEIGH, id=None)),
        ADDED[1] | {"item": call("paint", "", id=None), "output_index": None},
        event("function_call_arguments.delta", delta=PAINT[1]),
        done(call("paint", "", id=None)),
    ],
    "other ids in the items that are done": [
        *ADDED,
        *PIECES,
        done(call(*WEIGH, id="x", call_id="y")),
        done(call(*PAINT, id="z", call_id=None)),
    ],
    "arguments that are objects": [
        done(call("weigh", {"grams": 3})),
        done(call("paint", {"colour": "red"})),
    ],
    "an item twice": [DONE_CALLS[0], *DONE_CALLS],
}


@pytest.mark.parametrize("output", [[], [call(*WEIGH), call(*PAINT)]], ids=["", "and the response"])
@pytest.mark.parametrize("events", RESPONSES_CALLS.values(), ids=RESPONSES_CALLS)
def test_responses_make_the_calls_that_were_received(events, output):
    expected = Answer(calls=BOTH)
    assert read_answer("responses", *events, completed(*output)) == expected
    assert read_answer("responses", *events, DONE) == expected


def test_responses_make_the_calls_that_only_their_end_has():
    twice = [call(*WEIGH, id=id) for id in ("a", "b")]
    for at in (0, 1):
        answer = read_answer("responses", done(twice[at]), completed(*twice))
        assert answer == Answer(calls=(WEIGH, WEIGH))


def test_responses_make_the_calls_of_the_response_alone():
    assert read_answer("responses", completed(call(*WEIGH), call(*PAINT))) == Answer(calls=BOTH)


@pytest.mark.parametrize(("word", "stop"), ALL_CUTS)
def test_responses_know_a_cut_by_any_name(word, stop):
    response = {"incomplete_details": {"reason": word}, "output": [message()]}
    ends = [
        event("incomplete", response=response),
        event("incomplete", response=response | {"incomplete_details": word}),
        event("completed", response=response | {"status": "incomplete"}),
    ]
    for end in ends:
        events = [delta("Hello"), ADDED[0], PIECES[0], end]
        assert read_answer("responses", *events) == Answer("Hello", stop=stop)


def test_a_response_that_is_incomplete_for_no_reason_was_cut():
    for response in (None, {}, {"incomplete_details": None}):
        end = event("incomplete", response=response)
        assert read_answer("responses", delta("a"), end).stop is FinishReason.LENGTH


SAID = {"message": "Out of tea.", "code": "server_error"}
RESPONSES_ERRORS: dict[str, Json] = {
    "in a failed response": event("failed", response={"error": SAID}),
    "beside a failed response": event("failed", response=None, error=SAID),
    "in the details": event("failed", response={"status_details": {"error": SAID}}),
    "in a completed response": completed(status="failed", error=SAID),
    "that is the event": {"type": "error", **SAID},
    "in the event": {"type": "error", "error": SAID},
    "without a type": {"error": SAID},
    "of another name": event("error", error=SAID),
}


@pytest.mark.parametrize("told", RESPONSES_ERRORS.values(), ids=RESPONSES_ERRORS)
def test_responses_know_an_error_of_any_shape(told):
    error = failure("responses", delta("Hel"), told)
    assert isinstance(error, ModelUnavailable)
    assert "Out of tea" in str(error)


@pytest.mark.parametrize(
    "told", [event("failed"), event("cancelled", response={}), {"type": "error"}]
)
def test_a_response_that_failed_for_no_reason_may_be_tried_again(told):
    assert isinstance(failure("responses", delta("Hel"), told), ModelUnavailable)


RESPONSES_BROKEN: dict[str, list[Any]] = {
    "nothing": [],
    "[DONE] alone": [DONE],
    "[DONE] after reasoning": [done({"type": "reasoning", "encrypted_content": "x"}), DONE],
    "no end": [delta("Hel")],
    "no end after an item": [delta("Hello"), done(message())],
    "a delta that was cut": [b'data: {"type": "response.output_te\n\n', completed()],
    "an end that was cut": [delta("Hello"), body(completed())[:-9]],
    "a number for a delta": [delta(7), completed()],
    "no delta": [event("output_text.delta"), completed()],
}


@pytest.mark.parametrize("events", RESPONSES_BROKEN.values(), ids=RESPONSES_BROKEN)
def test_responses_take_no_answer_that_broke_off(events):
    assert isinstance(failure("responses", *events), ModelGarbled)
