"""What only Chat Completions does."""

import pytest
from tests.support.scripted_provider import END, Chat, events, sending, sse

from threadmill_shared.model import (
    FinishReason,
    MessageEnded,
    TextDelta,
    ToolCalled,
    TurnEnded,
    Usage,
)


def test_chat_needs_neither_usage_nor_done_after_a_finish_reason():
    api = Chat()
    got = events(api, sending(api.text("a"), api.chunk({}, "stop")))
    assert got == [TextDelta("a"), MessageEnded(), TurnEnded(FinishReason.END, Usage())]


def test_chat_ends_well_when_the_connection_drops_after_a_finish_reason():
    api = Chat()

    async def play(exchange):
        await exchange.begin()
        await exchange.send(api.text("a"), api.chunk({}, "stop"))
        exchange.writer.transport.abort()

    assert events(api, play) == [
        TextDelta("a"),
        MessageEnded(),
        TurnEnded(FinishReason.END, Usage()),
    ]


def test_chat_takes_text_and_finish_reason_from_one_chunk():
    api = Chat()
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    choice = {"delta": {"content": "a"}, "finish_reason": "stop"}
    got = events(api, sending(sse({"choices": [choice], "usage": usage}), b"data: [DONE]\n\n"))
    assert got == [TextDelta("a"), MessageEnded(), TurnEnded(FinishReason.END, Usage(1, 2, 3))]


@pytest.mark.parametrize("index", [{}, {"index": 0}, {"index": None}])
def test_chat_tells_calls_of_one_index_apart_by_their_ids(index):
    api = Chat()
    pieces = [
        api.chunk(
            {"tool_calls": [{**index, "id": id, "function": {"name": id, "arguments": "{}"}}]}
        )
        for id in ("a", "b")
    ]
    got = events(api, sending(*pieces, api.end(calls=True)))
    assert got == [ToolCalled("a", "{}", "a"), ToolCalled("b", "{}", "b"), END]


def test_chat_keeps_calls_apart_whose_ids_are_empty_or_the_same():
    api = Chat()
    for id in ("", "call"):
        got = events(api, sending(api.calls((id, "x", "{}"), (id, "y", "{}")), api.end(calls=True)))
        assert got == [ToolCalled("x", "{}", id), ToolCalled("y", "{}", id), END]


def test_chat_leaves_out_the_calls_of_a_reply_that_was_cut():
    api = Chat()
    got = events(api, sending(api.calls(("c1", "roll", '{"n')), api.end(FinishReason.LENGTH)))
    assert got == [TurnEnded(FinishReason.LENGTH, Usage(5, 7, 12))]
