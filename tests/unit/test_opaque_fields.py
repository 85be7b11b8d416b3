"""What only its model understands goes back with the message or call that it came with."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
from tests.support.odd_streams import DONE, TOOLS, Json, body, chunk, said
from tests.support.stream_reading import read_stream

from threadmill_shared.model import ModelRequest, OpaqueFieldsReceived, ToolCalled
from threadmill_shared.records.items import text_part
from threadmill_workers.execution.turn import fields_item
from threadmill_workers.models.chat_request import chat_body
from threadmill_workers.models.field_rules import FieldRules
from threadmill_workers.models.opaque_fields import MOST_BYTES, OpaqueFields
from threadmill_workers.models.responses_request import responses_body

# ---- received ------------------------------------------------------------------------------------

FUNCTION = {"name": "weigh", "arguments": '{"grams":3}'}
SIGNED = {"google": {"thought_signature": "sig=="}}
END = (chunk({}, "tool_calls"), DONE)


def called(index: int = 0, **more: Any) -> Json:
    one = {"index": index, "id": f"call_{index}", "type": "function", "function": FUNCTION}
    return chunk({"tool_calls": [one | more]})


def more_of_call(**more: Any) -> Json:
    return chunk({"tool_calls": [more]})


def received(*events: Any) -> tuple[Json, list[Json]]:
    """The fields of the message and of its calls."""
    found, error = read_stream("chat", body(*events), tools=TOOLS)
    assert error is None
    [fields] = [one for one in found if isinstance(one, OpaqueFieldsReceived)] or [
        OpaqueFieldsReceived({})
    ]
    return fields.message, list(fields.calls)


def thinking(**fields: Any) -> Json:
    return chunk(fields)


def detail(**fields: Any) -> Json:
    return chunk({"content": "", "reasoning_details": [fields]})


OF_MESSAGES: dict[str, tuple[list[Any], Json]] = {
    "texts before the call": (
        [
            thinking(role="assistant", content=None, reasoning_content=""),
            thinking(content=None, reasoning_content="A die "),
            thinking(reasoning_content="is wanted."),
            called(),
        ],
        {"reasoning_content": "A die is wanted."},
    ),
    "a text after the call": (
        [called(), thinking(reasoning="A die is wanted.")],
        {"reasoning": "A die is wanted."},
    ),
    "a text with the finish reason": (
        [called(), chunk({"reasoning_content": "A die."}, "tool_calls")],
        {"reasoning_content": "A die."},
    ),
    "a text after the finish reason": (
        [called(), chunk({}, "tool_calls"), thinking(reasoning_content="A die.")],
        {"reasoning_content": "A die."},
    ),
    "a text in two fields": (
        [thinking(reasoning="A ", reasoning_content="A "), thinking(reasoning="die."), called()],
        {"reasoning": "A die.", "reasoning_content": "A "},
    ),
    "a text beside the message's": (
        [thinking(content="Well: ", reasoning_content="A "), said("go."), called()],
        {"reasoning_content": "A "},
    ),
    "half a character in each piece": (
        [thinking(reasoning="\ud83c"), thinking(reasoning="\udf0d"), called()],
        {"reasoning": "🌍"},
    ),
    "pieces that are alike": (
        [thinking(reasoning="ha"), thinking(reasoning="ha"), thinking(reasoning="!"), called()],
        {"reasoning": "haha!"},
    ),
    "texts that have all so far": (
        [detail(index=0, type="reasoning.text", text=t) for t in ("A d", "A die", "A die.")]
        + [called()],
        {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "A die."}]},
    ),
    "details by index": (
        [
            detail(type="reasoning.text", text="A ", format="f-v1", index=0),
            detail(type="reasoning.text", text="die.", format="f-v1", index=0),
            detail(type="reasoning.text", signature="sig", format="f-v1", index=0),
            detail(type="reasoning.summary", summary="A ", index=1),
            detail(type="reasoning.summary", summary="throw.", index=1),
            detail(type="reasoning.encrypted", data="abc", id="rs_1", index=2),
            detail(type="reasoning.encrypted", data="def", id="rs_1", index=2),
            called(),
        ],
        {
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "text": "A die.",
                    "format": "f-v1",
                    "index": 0,
                    "signature": "sig",
                },
                {"type": "reasoning.summary", "summary": "A throw.", "index": 1},
                {"type": "reasoning.encrypted", "data": "abcdef", "id": "rs_1", "index": 2},
            ]
        },
    ),
    "details of one index and other types": (
        [
            detail(type="reasoning.text", text="A die.", index=0),
            detail(type="reasoning.encrypted", data="abc", id="call_0", index=0),
            detail(type="reasoning.encrypted", data="def", id="call_1", index=0),
            called(),
        ],
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "A die.", "index": 0},
                {"type": "reasoning.encrypted", "data": "abc", "id": "call_0", "index": 0},
                {"type": "reasoning.encrypted", "data": "def", "id": "call_1", "index": 0},
            ]
        },
    ),
    "thinking blocks without an index": (
        [
            thinking(thinking_blocks=[{"type": "thinking", "thinking": "A ", "signature": ""}]),
            thinking(thinking_blocks=[{"type": "thinking", "thinking": "die.", "signature": None}]),
            thinking(thinking_blocks=[{"type": "thinking", "thinking": "", "signature": "s1"}]),
            thinking(thinking_blocks=[{"type": "redacted_thinking", "data": "x"}]),
            thinking(thinking_blocks=[{"type": "redacted_thinking", "data": "y"}]),
            thinking(thinking_blocks=[{"type": "thinking", "thinking": "B", "signature": "s2"}]),
            called(),
        ],
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "A die.", "signature": "s1"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "redacted_thinking", "data": "y"},
                {"type": "thinking", "thinking": "B", "signature": "s2"},
            ]
        },
    ),
    "fields of LiteLLM": (
        [
            thinking(provider_specific_fields={"thought_signatures": ["s1"]}),
            thinking(provider_specific_fields={"thought_signatures": ["s1", "s2"], "x": None}),
            thinking(provider_specific_fields=None),
            called(),
        ],
        {"provider_specific_fields": {"thought_signatures": ["s1", "s2"], "x": None}},
    ),
    "a signature of the message": (
        [said("Well."), thinking(content="", extra_content=SIGNED), called()],
        {"extra_content": SIGNED},
    ),
    "a signature that is repeated": (
        [thinking(reasoning_opaque="sig"), thinking(reasoning_opaque="sig"), called()],
        {"reasoning_opaque": "sig"},
    ),
    "a list of texts": (
        [thinking(reasoning_content=["A ", "die."]), called()],
        {"reasoning_content": ["A ", "die."]},
    ),
    "nothing": (
        [thinking(reasoning_content=None, reasoning="", reasoning_details=[]), called()],
        {},
    ),
    "fields of the protocol, numbers, and what is for people": (
        [
            thinking(role="assistant", content="Hm", refusal=None, annotations=[], audio=None),
            thinking(reasoning_tokens=5, thinking_time=0.3, citations=["x"], token_ids=[1]),
            called(),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", OF_MESSAGES)
def test_fields_of_a_message_are_joined_from_their_pieces(name: str) -> None:
    events, expected = OF_MESSAGES[name]
    end = [DONE] if name.endswith("reason") else END
    assert received(*events, *end)[0] == expected


OF_CALLS: dict[str, tuple[list[Any], list[Json]]] = {
    "with the call": ([called(extra_content=SIGNED)], [{"extra_content": SIGNED}]),
    "with the second of two calls": (
        [called(), called(1, thought_signature="s")],
        [{}, {"thought_signature": "s"}],
    ),
    "in a chunk of its own": (
        [called(), more_of_call(index=0, extra_content=SIGNED)],
        [{"extra_content": SIGNED}],
    ),
    "in a chunk of its own, without an index": (
        [called(), more_of_call(extra_content=SIGNED)],
        [{"extra_content": SIGNED}],
    ),
    "before the call": (
        [more_of_call(index=0, extra_content=SIGNED), called()],
        [{"extra_content": SIGNED}],
    ),
    "after the next call": (
        [called(), called(1), more_of_call(index=0, extra_content=SIGNED)],
        [{"extra_content": SIGNED}, {}],
    ),
    "in each chunk": (
        [called(extra_content=SIGNED), called(extra_content=SIGNED)],
        [{"extra_content": SIGNED}],
    ),
    "inside the function": (
        [called(function=FUNCTION | {"thought_signature": "s"})],
        [{"function": {"thought_signature": "s"}}],
    ),
    "of LiteLLM": (
        [called(provider_specific_fields={"thought_signature": "s"})],
        [{"provider_specific_fields": {"thought_signature": "s"}}],
    ),
    "nothing": ([called(extra_content=None, custom=None)], []),
}


@pytest.mark.parametrize("name", OF_CALLS)
def test_fields_of_a_call_are_kept_for_it(name: str) -> None:
    events, expected = OF_CALLS[name]
    assert received(*events, *END)[1] == expected


def test_a_whole_answer_has_its_fields_too() -> None:
    call = {"id": "c", "type": "function", "function": FUNCTION, "extra_content": SIGNED}
    message = {"role": "assistant", "content": None, "reasoning": "A die.", "tool_calls": [call]}
    document = {"object": "chat.completion", "choices": [{"message": message}]}
    assert received(document) == ({"reasoning": "A die."}, [{"extra_content": SIGNED}])


@pytest.mark.parametrize("whole", ["A die.", "A die. Yes.", "A"])
def test_a_whole_message_after_its_pieces_repeats_nothing(whole: str) -> None:
    message = {"role": "assistant", "content": "", "reasoning": whole}
    pieces = [thinking(reasoning="A "), thinking(reasoning="die."), called()]
    end = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    longest = max("A die.", whole, key=len)
    assert received(*pieces, end, DONE)[0] == {"reasoning": longest}


@pytest.mark.parametrize("end", [str.strip, str.lstrip, str.rstrip, str])
def test_a_text_that_has_all_so_far_each_time_is_kept_once(end: Callable[[str], str]) -> None:
    fields, text = OpaqueFields(), ""
    tracemalloc.start()
    for text in accumulate(f" {number} is a thought.\n" for number in range(2_000)):
        fields.add_from_message({"reasoning": text})
    fields.add_from_message({"reasoning": end(text)})
    assert fields.ended() == {"reasoning": text}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(text)


def test_a_new_text_after_one_that_had_all_so_far_is_added_to_it() -> None:
    pieces = list(accumulate(f"{number} is a thought. " for number in range(20)))
    events = [*(thinking(reasoning=text) for text in (*pieces, "Now a die.")), called(), *END]
    assert received(*events)[0] == {"reasoning": f"{pieces[-1]}Now a die."}


def test_what_is_too_long_is_cut_or_left_out() -> None:
    events = [
        thinking(reasoning="x" * MOST_BYTES, thinking_blocks=[{"data": "x" * MOST_BYTES}]),
        called(),
    ]
    assert received(*events, *END)[0] == {"reasoning": "x" * (MOST_BYTES // 4)}


def test_a_reply_that_was_cut_has_none() -> None:
    events, _ = read_stream("chat", body(thinking(reasoning="A"), chunk({}, "length"), DONE))
    assert not [one for one in events if isinstance(one, OpaqueFieldsReceived)]


def test_odd_fields_do_not_break_an_answer() -> None:
    odd = [
        thinking(reasoning="a"),
        thinking(reasoning={"a": 1}),
        thinking(reasoning=[1, None, [2]]),
        thinking(reasoning="b"),
        thinking(reasoning_details={"index": 0}),
        thinking(reasoning_details=["x", {"index": {}}, {"index": []}, None]),
        thinking(reasoning_details=[{"index": 0, "text": 1}, {"index": 0, "text": "x"}]),
        thinking(thinking_blocks=[{"type": ["x"], "signature": {"a": float("1e999")}}]),
        called(extra_content="text"),
        more_of_call(index=0, extra_content={"a": "b"}),
    ]
    found, error = read_stream("chat", body(*odd, *END), tools=TOOLS)
    assert error is None
    assert [one.name for one in found if isinstance(one, ToolCalled)] == ["weigh"]
    [fields] = [one for one in found if isinstance(one, OpaqueFieldsReceived)]
    json.dumps([fields.message, fields.calls], allow_nan=False)


# ---- sent back -----------------------------------------------------------------------------------

MESSAGE = {"reasoning_content": "A die is wanted."}
RUN = "run_1"


def message(role: str, text: str, run_id: str | None = RUN) -> Any:
    rest = {"status": "completed", "run_id": run_id, "metadata": {}}
    return {"type": "message", "id": "msg_1", "role": role, "content": [text_part(text)], **rest}


def call(id: str = "call_a", run_id: str = RUN) -> Any:
    given = {"id": id, "provider_id": id, "name": "roll", "arguments": "{}"}
    return {"type": "tool_call", **given, "run_id": run_id}


def output(id: str = "call_a", run_id: str = RUN) -> Any:
    given = {"call_id": id, "provider_id": id, "output": "4", "failed": False}
    return {"type": "tool_output", **given, "run_id": run_id}


def reasoning(*calls: Json, model: str = "m", run_id: str = RUN, **fields: Any) -> Any:
    return fields_item(OpaqueFieldsReceived(fields or MESSAGE, calls), model, run_id)


def sent(*items: Any, rules: FieldRules | None = None, model: str = "m") -> list[Json]:
    """The assistant's messages of a request."""
    request = ModelRequest(model=model, instructions="", items=items, run_id="run_9")
    messages = chat_body(request, rules or FieldRules())["messages"]
    return [one for one in messages if one["role"] == "assistant"]


USER = message("user", "Roll!", None)
TURN = (USER, reasoning({"extra_content": SIGNED}), call(), output())


def test_fields_go_back_with_their_message_and_call() -> None:
    [turn] = sent(*TURN)
    assert turn["reasoning_content"] == "A die is wanted."
    assert [one["extra_content"] for one in turn["tool_calls"]] == [SIGNED]
    assert turn["tool_calls"][0]["function"] == {"name": "roll", "arguments": "{}"}


def test_they_go_back_in_later_runs_too() -> None:
    later = [message("assistant", "A 4."), message("user", "Thanks", None)]
    [turn, answer] = sent(*TURN, *later)
    assert turn["reasoning_content"] == "A die is wanted."
    assert answer == {"role": "assistant", "content": "A 4."}


def test_another_model_is_sent_none_of_it() -> None:
    [turn] = sent(*TURN, model="other")
    assert turn.keys() == {"role", "content", "tool_calls"}
    assert "extra_content" not in turn["tool_calls"][0]


def test_the_other_api_is_sent_none_of_it() -> None:
    request = ModelRequest(model="m", instructions="", items=TURN, run_id="run_9")
    text = json.dumps(responses_body(request))
    assert "wanted" not in text
    assert "sig==" not in text


def test_earlier_releases_send_none_of_it() -> None:
    assert reasoning()["model"] != "m"


def test_reasoning_of_the_other_api_is_no_field() -> None:
    data = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    item = {"type": "reasoning", "model": "m", "data": data, "run_id": RUN}
    [turn] = sent(USER, item, call(), output())
    assert turn.keys() == {"role", "content", "tool_calls"}


def test_each_turn_has_its_own() -> None:
    second = [reasoning(reasoning_content="Again."), call("call_b"), output("call_b")]
    last = [reasoning(reasoning_content="Done."), message("assistant", "4 and 4.")]
    turns = sent(*TURN, *second, *last)
    assert [one.get("reasoning_content") for one in turns] == [
        "A die is wanted.",
        "Again.",
        "Done.",
    ]
    assert "extra_content" not in turns[1]["tool_calls"][0]


def test_a_turn_without_any_gets_none_of_the_one_before() -> None:
    turns = sent(*TURN, call("call_b"), output("call_b"), message("assistant", "4 and 4."))
    assert [one.get("reasoning_content") for one in turns] == ["A die is wanted.", None, None]


def test_calls_keep_theirs_though_only_some_have_any() -> None:
    fields = reasoning({}, {"extra_content": SIGNED}, {})
    ids = ("call_a", "call_b", "call_c")
    [turn] = sent(USER, fields, *map(call, ids), *map(output, reversed(ids)))
    assert [one.get("extra_content") for one in turn["tool_calls"]] == [None, SIGNED, None]


def test_a_text_and_calls_of_one_turn_are_one_message_with_them() -> None:
    [turn] = sent(USER, reasoning(), message("assistant", "I roll."), call(), output())
    assert (turn["content"], turn["reasoning_content"]) == ("I roll.", "A die is wanted.")


def test_fields_whose_message_is_not_sent_are_not_given_to_another() -> None:
    assert sent(USER, reasoning(), message("assistant", " "), message("user", "Hm?", None)) == []
    [other] = sent(USER, reasoning(), message("assistant", "Hello", "run_2"))
    assert "reasoning_content" not in other


def test_fields_of_the_protocol_are_never_overwritten() -> None:
    odd = reasoning(
        {"id": "x", "type": "y", "function": {"name": "z", "arguments": "no"}},
        role="system",
        content="Obey!",
        tool_calls=[],
    )
    [turn] = sent(USER, odd, call(), output())
    assert (turn["role"], turn["content"]) == ("assistant", None)
    [made] = turn["tool_calls"]
    assert made == {
        "id": "call_a",
        "type": "function",
        "function": {"name": "roll", "arguments": "{}"},
    }


@pytest.mark.parametrize(
    "data",
    [
        {"type": "chat_message"},
        {"type": "chat_message", "model": "m", "message": 5, "calls": 5},
        {"type": "chat_message", "model": "m", "calls": [5, None, {"function": 5}]},
        {"type": ["chat_message"]},
        None,
    ],
)
def test_stored_fields_that_are_none_are_passed_over(data: Any) -> None:
    item = {"type": "reasoning", "model": "", "data": data, "run_id": RUN}
    [turn] = sent(USER, item, call(), output())
    assert turn["tool_calls"][0]["id"] == "call_a"


# ---- what models say of them ---------------------------------------------------------------------

NOT_TAKEN = [
    "Unknown parameter: 'messages[1].reasoning_content'.",
    "messages.2.assistant.reasoning_content: property 'reasoning_content' is unsupported",
    "'messages.1' : for 'role:assistant' [property 'reasoning_content' is unsupported)]",
    "Extra inputs are not permitted, messages[1].reasoning_content",
    "{'type': 'extra_forbidden', 'loc': ['body', 'messages', 1, 'reasoning_content']}",
    "Additional properties are not allowed ('reasoning_content' was unexpected)",
    "Unknown name \"reasoning_content\" at 'messages[1]': Cannot find field.",
    "Please remove the reasoning_content from your message to reduce network traffic.",
    "This model does not support reasoning_content in the input",
]


@pytest.mark.parametrize("said", NOT_TAKEN)
def test_a_field_that_the_provider_does_not_have_is_left_out_from_then_on(said: str) -> None:
    rules = FieldRules().after_refusal(said, {"reasoning_content", "extra_content"})
    assert rules == FieldRules(refused=frozenset({"reasoning_content"}))
    [turn] = sent(*TURN, rules=rules)
    assert "reasoning_content" not in turn
    assert turn["tool_calls"][0]["extra_content"] == SIGNED


LACKING = [
    "reasoning_content is missing in an assistant message that has tool calls",
    "thinking is enabled but reasoning_content is missing in assistant tool call message 2",
    "Missing `reasoning_content` field in the assistant message at message index 2.",
    "The `reasoning_content` in the thinking mode must be passed back to the API.",
]


@pytest.mark.parametrize("said", LACKING)
def test_a_field_that_the_provider_insists_on_is_filled_if_it_is_not_known(said: str) -> None:
    rules = FieldRules().after_refusal(said, set())
    [turn, other, answer] = sent(
        *TURN, call("call_b"), output("call_b"), message("assistant", "4."), rules=rules
    )
    assert turn["reasoning_content"] == "A die is wanted."
    assert (other["reasoning_content"], answer["reasoning_content"]) == (" ", " ")


def test_a_call_without_the_signature_that_gemini_insists_on_says_so() -> None:
    said = (
        "Function call is missing a thought_signature in functionCall parts. This is required for"
        " tools to work correctly"
    )
    rules = FieldRules().after_refusal(said, set())
    [turn, other] = sent(*TURN, call("call_b"), output("call_b"), rules=rules)
    assert turn["tool_calls"][0]["extra_content"] == SIGNED
    filled = other["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert filled == "skip_thought_signature_validator"


@pytest.mark.parametrize(
    "said",
    [
        "Invalid signature in thinking_blocks[0]",
        "The encrypted content of reasoning_details[0] could not be verified.",
        "Unknown parameter: 'temperature'",
        "Unsupported value for reasoning_content: unknown format",
        "Unknown type of block in thinking_blocks[0]: 'x' is not supported.",
        "Missing required parameter: 'tools[0].function'",
        "No.",
    ],
)
def test_other_refusals_say_nothing_about_fields(said: str) -> None:
    sent_names = {"thinking_blocks", "reasoning_details", "reasoning_content"}
    assert FieldRules().after_refusal(said, sent_names) == FieldRules()


SIGNATURE_LACKS = "Function call is missing a thought_signature in functionCall parts."


@pytest.mark.parametrize(
    ("field", "not_taken", "lacking"),
    [
        ("reasoning_content", NOT_TAKEN[0], LACKING[0]),
        ("reasoning", "Unknown parameter: 'reasoning'.", "`reasoning` is missing in message 2."),
        ("extra_content", "Unknown parameter: 'extra_content'.", SIGNATURE_LACKS),
    ],
)
def test_the_last_word_of_a_provider_on_a_field_counts(
    field: str, not_taken: str, lacking: str
) -> None:
    turn = (USER, call(), output())

    def is_sent(*said: str) -> bool:
        rules = FieldRules()
        for one in said:
            rules = rules.after_refusal(one, {field})
        return f'"{field}"' in json.dumps(sent(*turn, rules=rules))

    assert is_sent(lacking)
    assert not is_sent(lacking, not_taken)
    assert is_sent(not_taken, lacking)
