"""What servers of Chat Completions send besides the protocol: the received answer counts, once."""

from __future__ import annotations

import copy
import json
import tracemalloc
from typing import Any

import httpx2
import pytest
from tests.support.odd_streams import (
    ALL_CUTS,
    BOTH,
    DONE,
    END,
    FUNCTION,
    HELLO,
    ONE,
    PAINT,
    USAGE,
    WEIGH,
    Json,
    body,
    chunk,
    failure,
    piece,
    read_answer,
    said,
)
from tests.support.stream_reading import Answer, answer_in, read_stream

from threadmill_shared.errors import ModelGarbled, ModelRefused, ModelUnavailable
from threadmill_shared.model import Usage
from threadmill_workers.models.chat_calls import StreamedCalls

CHAT_TEXTS: dict[str, list[Any]] = {
    "a null delta": [chunk(), said("Hel"), chunk(None), said("lo"), *END],
    "null for a text": [said(None), said("Hello"), said(None), *END],
    "choices null": [said("Hello"), {"choices": None}, *END],
    "choices empty": [{"choices": []}, said("Hello"), *END],
    "a null choice": [said("Hello"), {"choices": [None]}, *END],
    "choices that are an object": [said("Hello"), {"choices": {"0": {}}}, *END],
    "an object for the only choice": [
        {"choices": {"delta": {"content": "Hel"}}},
        {"choices": {"index": 0, "delta": {"content": "lo"}, "finish_reason": None}},
        {"choices": {"delta": {}, "finish_reason": "stop"}},
    ],
    "an object of choices": [
        {"choices": {"0": {"index": 0, "delta": {"content": "Hello"}}, "1": {"index": 1}}},
        {"choices": {"0": {"index": 0, "delta": {}, "finish_reason": "stop"}}},
    ],
    "no choices": [{"id": "c1"}, said("Hello"), {"prompt_filter_results": []}, *END],
    "pings": [
        said("Hel"),
        {"type": "ping"},
        "ping",
        ": keep-alive",
        "{}",
        "",
        " ",
        "null",
        b"event: ping\ndata: 17\n\n",
        b": comment\n\n",
        b"retry: 9\n\n",
        said("lo"),
        *END,
    ],
    "a reason in the first chunk": [chunk({"role": "assistant"}, "stop"), said("Hello"), DONE],
    "a reason in each chunk": [said("Hel", "stop"), said("lo", "stop"), DONE],
    "a reason in the first chunk, and no [DONE]": [said("Hel", "stop"), said("lo")],
    "no reason": [said("Hel"), said("lo"), DONE],
    "a reason that is empty or named null": [said("Hel", ""), said("lo", "null"), DONE],
    "no [DONE]": [said("Hello"), chunk({}, "stop")],
    "a reason of tool_calls without calls": [said("Hello"), chunk({}, "tool_calls"), DONE],
    "a reason of function_call without a call": [said("Hello"), chunk({}, "function_call"), DONE],
    "a reason of another name": [said("Hello", "STOP"), DONE],
    "a reason that is no text": [said("Hello", ["end"]), DONE],
    "[DONE] with spaces": [said("Hello"), b"data:   [DONE]  \n\n"],
    "[DONE] without a space": [said("Hello"), b"data:[DONE]\n\n"],
    "[DONE] in small letters": [said("Hello"), "[done]"],
    "[DONE] without its blank line": [said("Hello"), b"data: [DONE]"],
    "[DONE] with half of its blank line": [said("Hello"), b"data: [DONE]\n"],
    "[DONE] twice": [said("Hello"), *END, DONE],
    "[DONE] and more": [said("Hello"), *END, said("?"), {"error": "too late"}],
    "a last chunk without its blank line": [said("Hello"), body(chunk({}, "stop"))[:-2]],
    "one line feed after each event": [body(said("Hel"), said("lo"), *END).replace(b"\n\n", b"\n")],
    "two events in one": [
        said("Hel"),
        body(said("l"), said("o"))[:-2].replace(b"\n\n", b"\n"),
        b"\n\n",
        *END,
    ],
    "data on several lines": [
        b"".join(
            b"data: " + line + b"\n"
            for line in json.dumps(said("Hello"), indent=1).encode().split(b"\n")
        )
        + b"\n",
        *END,
    ],
    "a byte order mark": [b"\xef\xbb\xbf", said("Hello"), *END],
    "carriage returns": [body(said("Hello"), *END).replace(b"\n", b"\r")],
    "chunks in a list": [[said("Hel"), said("lo")], *END],
    "text in parts": [
        said([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]),
        *END,
    ],
    "text in a part": [said({"type": "text", "text": "Hello"}), *END],
    "text in parts of parts": [
        said(
            [
                [{"type": "text", "text": [{"type": "text", "text": "Hel"}]}],
                {"text": {"value": "lo"}},
            ]
        ),
        *END,
    ],
    "texts in a list": [said(["Hel", "lo", 7, None]), *END],
    "thinking in parts": [
        said([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
        said([{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Hello"}]),
        said([{"type": "reference", "reference_ids": [1]}, {"text": "Hm.", "thought": True}]),
        *END,
    ],
    "a refusal": [chunk({"content": None, "refusal": "Hello"}), *END],
    "a message in place of deltas": [
        {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]},
        DONE,
    ],
    "a message after deltas": [
        said("Hel"),
        said("lo"),
        {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]},
        DONE,
    ],
    "a message that goes on after deltas": [
        said("Hel"),
        {"choices": [{"delta": {}, "message": {"content": "Hello"}, "finish_reason": "stop"}]},
    ],
    "a message that differs from the deltas": [
        said("Hello"),
        {"choices": [{"message": {"content": "Hello "[1:]}, "finish_reason": "stop"}]},
    ],
    "messages that are deltas": [
        *({"choices": [{"message": {"content": one}}]} for one in ("Hel", "lo")),
        *END,
    ],
    "messages that grow": [
        *({"choices": [{"message": {"content": one}}]} for one in ("Hel", "Hell", "Hello")),
        *END,
    ],
    "a second choice": [
        {"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": "length"}]},
        said("Hel"),
        {"choices": [{"index": 1, "delta": {"content": "pe"}}, said("lo")["choices"][0]]},
        {"choices": [{"index": "1", "delta": {"content": "!"}}]},
        *END,
    ],
    "an index that is null, missing or a text": [
        {"choices": [{"index": None, "delta": {"content": "Hel"}}]},
        {"choices": [{"delta": {"content": "l"}}]},
        {"choices": [{"index": "0", "delta": {"content": "o"}}]},
        *END,
    ],
    "a document": [
        json.dumps(
            {
                "object": "chat.completion",
                "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
            }
        ).encode()
    ],
    "a document without a reason": [
        json.dumps(
            {"object": "chat.completion", "choices": [{"message": {"content": "Hello"}}]}, indent=4
        ).encode()
    ],
    "a document that is a list": [
        json.dumps([said("Hel"), said("lo"), chunk({}, "stop")]).encode()
    ],
    "a line of JSON for each chunk": [
        b"".join(json.dumps(one).encode() + b"\n" for one in (said("Hello"), chunk({}, "stop")))
    ],
}


@pytest.mark.parametrize("events", CHAT_TEXTS.values(), ids=CHAT_TEXTS)
def test_chat_gives_the_text_that_was_received(events):
    assert read_answer("chat", *events) == HELLO


CHAT_USAGES: dict[str, tuple[list[Any], Usage]] = {
    "null": ([None], Usage()),
    "a list": ([[USAGE]], Usage()),
    "nulls": ([dict.fromkeys(USAGE)], Usage()),
    "texts": ([{"prompt_tokens": "9", "completion_tokens": "4"}], Usage(9, 4, 13)),
    "fractions": ([{"prompt_tokens": 9.0, "completion_tokens": 4.0}], Usage(9, 4, 13)),
    "less than nothing": ([{"prompt_tokens": -9, "completion_tokens": 4}], Usage(0, 4, 4)),
    "no numbers": ([{"prompt_tokens": "nine", "completion_tokens": True}], Usage()),
    "no number of a float": (
        [{"prompt_tokens": float("nan"), "completion_tokens": 4}],
        Usage(0, 4, 4),
    ),
    "one of them": ([{"prompt_tokens": 9}], Usage(9, 0, 9)),
    "the other API's names": ([{"input_tokens": 9, "output_tokens": 4}], Usage(9, 4, 13)),
    "more in all": ([USAGE | {"total_tokens": 20}], Usage(9, 4, 20)),
    "less in all": ([USAGE | {"total_tokens": 0}], Usage(9, 4, 13)),
    "in each chunk": (
        [
            {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
            {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
            USAGE,
        ],
        Usage(9, 4, 13),
    ),
    "then nulls": ([USAGE, dict.fromkeys(USAGE), {}], Usage(9, 4, 13)),
    "one after the other": ([{"prompt_tokens": 9}, {"completion_tokens": 4}], Usage(9, 4, 13)),
}


@pytest.mark.parametrize(("usages", "counted"), CHAT_USAGES.values(), ids=CHAT_USAGES)
@pytest.mark.parametrize("choices", ["with choices", "without choices", "before the text"])
def test_chat_counts_the_tokens_that_were_told(usages, counted, choices):
    told = [{"usage": usage} for usage in usages]
    if choices == "with choices":
        told = [chunk({}, "stop") | one for one in told]
    text = said("Hello", "stop")
    events = [*told, text] if choices == "before the text" else [text, *told]
    assert read_answer("chat", *events, DONE) == Answer("Hello", usage=counted)


def test_chat_finds_usage_where_some_servers_put_it():
    groq = chunk({}, "stop", x_groq={"id": "r", "usage": USAGE})
    alone = {"choices": [], "x_groq": {"usage": USAGE}}
    in_choice = chunk({}, "stop")
    in_choice["choices"][0]["usage"] = USAGE
    for event in (groq, alone, in_choice):
        assert read_answer("chat", said("Hello"), event, DONE).usage == Usage(9, 4, 13)


FUNCTIONS = [{"function": {"name": name, "arguments": text}} for name, text in BOTH]
CHAT_CALLS: dict[str, tuple[list[Any], tuple[tuple[str, str], ...]]] = {
    "one index and no ids": ([piece(*WEIGH, index=0), piece(*PAINT, index=0)], BOTH),
    "one index and empty ids": (
        [piece(*WEIGH, index=0, id=""), piece(*PAINT, index=0, id="")],
        BOTH,
    ),
    "one index and one id": (
        [piece(*WEIGH, index=0, id="c"), piece(*PAINT, index=0, id="c")],
        BOTH,
    ),
    "one index and different ids": (
        [piece(*WEIGH, index=0, id="a"), piece(*PAINT, index=0, id="b")],
        BOTH,
    ),
    "no index and no ids": ([piece(*WEIGH), piece(*PAINT)], BOTH),
    "an index of null": ([piece(*WEIGH, index=None), piece(*PAINT, index=None)], BOTH),
    "an index that is a text": (
        [
            piece("weigh", '{"grams"', index="0"),
            piece("paint", '{"colour"', index="1"),
            piece(None, ":3}", index="0"),
            piece(None, ':"red"}', index=1),
        ],
        BOTH,
    ),
    "an index that counts from one": ([piece(*WEIGH, index=1), piece(*PAINT, index=2)], BOTH),
    "one id for two indices": (
        [piece(*WEIGH, index=0, id="c"), piece(*PAINT, index=1, id="c")],
        BOTH,
    ),
    "one function twice, whole": (
        [piece(*WEIGH, index=0), piece(*WEIGH, index=0)],
        (WEIGH, WEIGH),
    ),
    "one function twice, in pieces without ids": (
        [
            piece("weigh", '{"grams":3}', index=0),
            piece("weigh", "", index=0),
            piece(None, '{"grams"', index=0),
            piece(None, ":3}", index=0),
        ],
        (WEIGH, WEIGH),
    ),
    "in one chunk": (
        [chunk({"tool_calls": FUNCTIONS})],
        BOTH,
    ),
    "cut, without indices and ids": (
        [
            piece("weigh", '{"gra'),
            piece(None, 'ms":3}'),
            piece("paint", ""),
            piece(None, '{"colour":"red"}'),
        ],
        BOTH,
    ),
    "told apart by ids in each piece": (
        [
            piece("weigh", '{"grams"', id="a"),
            piece("paint", '{"colour"', id="b"),
            piece(None, ":3}", id="a"),
            piece(None, ':"red"}', id="b"),
        ],
        BOTH,
    ),
    "told apart by ids in each piece of index 0": (
        [
            piece("weigh", '{"grams"', id="a", index=0),
            piece("paint", '{"colour"', id="b", index=0),
            piece(None, ":3}", id="a", index=0),
            piece(None, ':"red"}', id="b", index=0),
        ],
        BOTH,
    ),
    "an id in each piece": (
        [piece("weigh", "", id="a", index=0)]
        + [piece(None, part, id="a", index=0) for part in ('{"grams"', ":3}")],
        ONE,
    ),
    "another id in each piece": (
        [piece("weigh", "", id="a", index=0)]
        + [piece(None, part, id=part, index=0) for part in ('{"grams"', ":3}")],
        ONE,
    ),
    "a name in each piece": (
        [piece("weigh", part, index=0) for part in ("", '{"grams"', ":3}", "")],
        ONE,
    ),
    "a name and an id in each piece": (
        [piece("weigh", part, index=0, id="a") for part in ("", '{"grams"', ":3}", "")],
        ONE,
    ),
    "a name in two pieces": (
        [
            piece("we", "", index=0, id="a"),
            piece("igh", "", index=0),
            piece(None, WEIGH[1], index=0),
        ],
        ONE,
    ),
    "a name that grows": (
        [piece("we", index=0), piece("weigh", index=0), piece(None, WEIGH[1], index=0)],
        ONE,
    ),
    "a name after an id": ([piece(id="a", index=0), piece(*WEIGH, index=0)], ONE),
    "a whole call once more": (
        [piece(*WEIGH, id="a", index=0), piece(*WEIGH, id="a", index=0)],
        ONE,
    ),
    "arguments that have all so far": (
        [piece("weigh", text, index=0, id="a") for text in ('{"gra', '{"grams":', '{"grams":3}')],
        ONE,
    ),
    "arguments that have all so far, without names": (
        [
            piece("weigh", '{"grams"', index=0, id="a"),
            piece(None, '{"grams":3', index=0),
            piece(None, '{"grams":3}', index=0),
            piece(None, '{"grams":3}', index=0),
        ],
        ONE,
    ),
    "arguments that repeat a key in themselves": (
        [
            piece("weigh", '{"grams":', index=0, id="a"),
            piece(None, '{"grams":3}', index=0),
            piece(None, "}", index=0),
        ],
        (("weigh", '{"grams":{"grams":3}}'),),
    ),
    "arguments that are an object": (
        [piece("weigh", {"grams": 3}), piece("paint", {"colour": "red"})],
        BOTH,
    ),
    "arguments that stand for those to come": (
        [piece("weigh", {}, index=0), piece(None, '{"grams":3}', index=0)],
        ONE,
    ),
    "no arguments": ([piece("now", "", index=0), piece(*WEIGH, index=0)], (("now", ""), WEIGH)),
    "null for arguments": ([piece("now", index=0, id="a")], (("now", ""),)),
    "a function that is no part": (
        [chunk({"tool_calls": [FUNCTION]})],
        ONE,
    ),
    "calls that are an object": (
        [chunk({"tool_calls": {"function": FUNCTION}})],
        ONE,
    ),
    "a null among the pieces": ([chunk({"tool_calls": [None]}), piece(*WEIGH)], ONE),
    "an empty piece": ([chunk({"tool_calls": [{"index": 0, "function": {}}]}), piece(*WEIGH)], ONE),
    "a piece of nothing": ([piece(*WEIGH, index=0), piece(index=1)], ONE),
    "the call of an old protocol": (
        [
            chunk({"function_call": {"name": "weigh", "arguments": '{"grams"'}}),
            chunk({"function_call": {"arguments": ":3}"}}),
        ],
        ONE,
    ),
    "in a message": (
        [
            {
                "choices": [
                    {
                        "message": {
                            "tool_calls": [
                                {"function": {"name": n, "arguments": a}} for n, a in BOTH
                            ]
                        }
                    }
                ]
            }
        ],
        BOTH,
    ),
    "in a message after pieces": (
        [
            piece(*WEIGH, index=0),
            {"choices": [{"message": {"tool_calls": [{"function": FUNCTION}]}}]},
        ],
        ONE,
    ),
    "half a character in each piece": (
        [piece("paint", '{"colour":"\ud83c', index=0), piece(None, '\udf0d"}', index=0)],
        (("paint", '{"colour":"🌍"}'),),
    ),
}
REASONS = {
    "a reason": [chunk({}, "tool_calls"), DONE],
    "stop for a reason": [chunk({}, "stop"), DONE],
    "function_call for a reason": [chunk({}, "function_call"), DONE],
    "no [DONE]": [chunk({}, "tool_calls")],
    "no reason": [DONE],
}


@pytest.mark.parametrize("end", REASONS.values(), ids=REASONS)
@pytest.mark.parametrize(("events", "calls"), CHAT_CALLS.values(), ids=CHAT_CALLS)
def test_chat_makes_the_calls_that_were_received(events, calls, end):
    assert read_answer("chat", *events, *end) == Answer(calls=calls)


@pytest.mark.parametrize(("events", "calls"), CHAT_CALLS.values(), ids=CHAT_CALLS)
def test_chat_waits_for_more_calls_though_each_piece_has_a_reason(events, calls):
    events = copy.deepcopy(events)
    for event in events:
        event["choices"][0]["finish_reason"] = "tool_calls"
    assert read_answer("chat", *events, DONE) == Answer(calls=calls)


@pytest.mark.parametrize(("word", "stop"), ALL_CUTS)
def test_chat_knows_a_cut_by_any_name_and_makes_no_call_then(word, stop):
    events = [said("Hello"), piece("weigh", '{"gra', index=0)]
    for end in ([chunk({}, word), DONE], [chunk({}, word)], [chunk({}, word), *END]):
        assert read_answer("chat", *events, *end) == Answer("Hello", stop=stop)


@pytest.mark.parametrize("word", ["error", "ERROR", "abort", "cancelled", "network_error"])
def test_chat_takes_no_answer_that_ended_with_a_failure(word):
    error = failure("chat", said("Hel"), chunk({}, word), DONE)
    assert isinstance(error, ModelUnavailable)
    assert word.lower() in str(error)


CHAT_ERRORS: dict[str, Json] = {
    "in a chunk": {"error": {"message": "Out of tea.", "code": "server_error"}},
    "in a choice": {
        "choices": [
            {"finish_reason": "error", "error": {"message": "Out of tea.", "code": "server_error"}}
        ]
    },
    "that is the chunk": {"object": "error", "message": "Out of tea.", "code": "server_error"},
    "of another API": {
        "type": "error",
        "error": {"message": "Out of tea.", "code": "server_error"},
    },
    "of another API, flat": {"type": "error", "message": "Out of tea.", "code": "server_error"},
}


@pytest.mark.parametrize("event", CHAT_ERRORS.values(), ids=CHAT_ERRORS)
@pytest.mark.parametrize("before", [[], [said("Hel")]], ids=["at first", "after a text"])
def test_chat_knows_an_error_of_any_shape(event, before):
    error = failure("chat", *before, event, DONE)
    assert isinstance(error, ModelUnavailable)
    assert "Out of tea" in str(error)


MINIMAX = {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "Input is sensitive"}}


@pytest.mark.parametrize(
    ("event", "says"),
    [({"detail": "Blocked."}, "Blocked"), (MINIMAX, "Input is sensitive")],
    ids=["FastAPI", "MiniMax"],
)
def test_chat_knows_a_refusal_that_is_not_called_an_error(event, says):
    error = failure("chat", event, DONE)
    assert isinstance(error, ModelRefused)
    assert says in str(error)


def test_chat_knows_an_error_in_a_document():
    error = failure("chat", b'{"error": {"message": "No such model.", "code": "model_not_found"}}')
    assert isinstance(error, ModelRefused)
    assert "No such model" in str(error)


BROKEN: dict[str, list[Any]] = {
    "nothing": [],
    "[DONE] alone": [DONE],
    "no reason and no [DONE]": [said("Hel")],
    "a call without an end": [piece(*WEIGH)],
    "a call without a name, and [DONE]": [piece(None, "{}"), DONE],
    "a chunk that was cut": [said("Hel"), b'data: {"choices": [{"delta": {"cont\n\n', *END],
    "a chunk that was cut at the end": [said("Hel"), body(chunk({}, "stop"))[:-9]],
    "[DONE] that was cut": [said("Hel"), b"data: [DON"],
    "a document that was cut": [b'{"object": "chat.completion", "choices": [{"message": {"con'],
    "a number for a text": [said(7), *END],
    "no deltas": [{"choices": [7]}, *END],
}


@pytest.mark.parametrize("events", BROKEN.values(), ids=BROKEN)
def test_chat_takes_no_answer_that_broke_off(events):
    assert isinstance(failure("chat", *events), ModelGarbled)


@pytest.mark.parametrize("broken", [httpx2.ReadError("reset"), httpx2.ReadTimeout("silent")])
def test_a_connection_that_breaks_after_the_reason_does_no_harm(broken):
    whole = body(said("Hello"), chunk({}, "stop"))
    found, error = read_stream("chat", whole, failure=broken)
    assert error is None
    assert answer_in(found) == HELLO


@pytest.mark.parametrize(
    ("broken", "kind"),
    [(httpx2.ReadError("reset"), ModelGarbled), (httpx2.ReadTimeout("silent"), ModelUnavailable)],
)
def test_a_connection_that_breaks_in_an_answer_with_an_early_reason_breaks_it(broken, kind):
    for more in (said("lo"), piece("weigh", "{")):
        _, error = read_stream("chat", body(said("Hel", "stop"), more), failure=broken)
        assert type(error) is kind


def test_long_arguments_that_have_all_so_far_are_kept_once() -> None:
    text = json.dumps({"grams": "7" * 3000})
    calls = StreamedCalls(["weigh"])
    tracemalloc.start()
    for end in range(10, len(text) + 1):
        calls.add({"index": 0, "id": "a", "function": {"name": "weigh", "arguments": text[:end]}})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    [made] = calls.ended()
    assert made.arguments == text
    assert peak < 20 * len(text)
