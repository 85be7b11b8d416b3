"""The bytes of a stream, as SDKs parse them."""

from __future__ import annotations

import json

import pytest
from openai._streaming import SSEDecoder

from threadmill_gateway.answers.refusals import internal_error
from threadmill_gateway.streams import frames


def parsed(content: bytes) -> list[tuple[str | None, object]]:
    return [
        (event.event, event.data if event.data.startswith("[") else event.json())
        for event in SSEDecoder().iter_bytes(iter([content]))
    ]


@pytest.mark.parametrize("text", ["a\nb", "\r\n", "\u2028\x85", "data: x\n\nevent: y", "😀", ""])
def test_a_frame_is_read_as_what_it_was_made_of(text: str) -> None:
    content = frames.frame("thread.message.delta", {"text": text}, 7)
    assert parsed(content) == [("thread.message.delta", {"text": text})]
    assert b"id: 7\n" in content


def test_a_sign_of_life_between_numbered_events_is_no_event() -> None:
    one = frames.frame("a", {"n": 1}, 1)
    two = frames.frame("b", {"n": 2}, 2)
    content = one + frames.KEEP_ALIVE + frames.KEEP_ALIVE + two + frames.KEEP_ALIVE + frames.DONE
    assert parsed(content) == [("a", {"n": 1}), ("b", {"n": 2}), ("done", "[DONE]")]


def test_an_error_is_raised_by_the_sdk() -> None:
    content = frames.error_frame(internal_error())
    [(name, data)] = parsed(content)
    assert name == "error"
    assert isinstance(data, dict)
    assert json.dumps(data["error"]) == json.dumps(internal_error().error)


def test_an_event_of_our_own_has_no_member_at_which_sdks_raise() -> None:
    data = {"call_id": "call_1", "name": "f", "error": "LookupError"}
    told = frames.shown("threadmill.tool.failed", data)
    assert told == {"call_id": "call_1", "name": "f", "cause": "LookupError"}
    assert data["error"] == "LookupError"  # the log's own is left as it is


def test_data_are_shown_with_the_threads_id_as_the_client_knows_it() -> None:
    assert frames.shown("thread.run.queued", {"thread_id": "a"}, "b") == {"thread_id": "b"}
    assert frames.shown("thread.run.queued", {"thread_id": "a"}) == {"thread_id": "a"}
    assert frames.shown("thread.message.delta", {"id": "m"}, "b") == {"id": "m"}
    assert frames.shown("done", "[DONE]", "b") == "[DONE]"
