"""A response whose items are streamed at the same time: each step is told whole, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.odd_streams import body, completed, event
from tests.support.stream_reading import read_stream

from threadmill_shared.model import (
    CodeDelta,
    HostedCallEnded,
    HostedCallStarted,
    ModelEvent,
    TextDelta,
    ToolCalled,
    TurnEnded,
)

Json = dict[str, Any]
KINDS = ("message", "function_call", "code_interpreter_call", "web_search_call")


def item_of(kind: str, place: int) -> Json:
    item: Json = {"type": kind, "id": f"{kind}_{place}", "status": "completed"}
    match kind:
        case "message":
            content = [{"type": "output_text", "text": f"a{place} b{place} ", "annotations": []}]
            return item | {"role": "assistant", "content": content}
        case "function_call":
            return item | {"name": "weigh", "arguments": "{}", "call_id": f"call_{place}"}
        case "code_interpreter_call":
            return item | {"code": f"x={place};y", "container_id": "cntr_1", "outputs": []}
        case _:
            return item | {"action": {"type": "search", "query": f"q{place}"}}


def events_of(item: Json, place: int, *, with_indexes: bool) -> list[Json]:
    """An item's events, in their order."""
    at = {"output_index": place} if with_indexes else {}
    by_id = {**at, "item_id": item["id"]}
    begun = item | {"status": "in_progress"}
    pieces: list[Json] = []
    if item["type"] == "message":
        begun |= {"content": []}
        pieces = [event("output_text.delta", delta=f"{x}{place} ", **by_id) for x in "ab"]
    elif item["type"] == "code_interpreter_call":
        begun |= {"code": ""}
        kind = "code_interpreter_call_code.delta"
        pieces = [event(kind, delta=text, **by_id) for text in (f"x={place};", "y")]
    return [
        event("output_item.added", item=begun, **at),
        *pieces,
        event("output_item.done", item=item, **at),
    ]


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[Json], list[Json]]:
    """Items, and their events in any order that keeps that of each item, and of the messages."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=6))
    with_indexes = draw(st.booleans())
    items = [item_of(kind, place) for place, kind in enumerate(kinds)]
    left = [events_of(item, place, with_indexes=with_indexes) for place, item in enumerate(items)]
    texts = [one for one, item in zip(left, items, strict=True) if item["type"] == "message"]
    left = [one for one in left if one not in texts]
    left.append([event for one in texts for event in one])
    mixed = []
    while any(left):
        mixed.append(draw(st.sampled_from([one for one in left if one])).pop(0))
    return items, mixed


def read(*events: Json) -> Sequence[ModelEvent]:
    found, error = read_stream("responses", body(*events), tools=["weigh"])
    assert error is None
    return found


def assert_in_turn(found: Sequence[ModelEvent], items: Sequence[Json]) -> None:
    """Each call of the provider's begins, has its code and ends before anything else is told."""
    code, is_open, ended = "", False, []
    for one in found:
        match one:
            case HostedCallStarted():
                assert not is_open
                code, is_open = "", True
            case CodeDelta():
                assert is_open
                code += one.text
            case HostedCallEnded():
                assert is_open
                is_open = False
                ended.append(one.data["id"])
                assert code == one.details.get("input", "")
            case TextDelta():
                assert not is_open
    assert not is_open
    hosted = [item["id"] for item in items if item["type"] not in ("message", "function_call")]
    assert sorted(ended) == sorted(hosted)
    pieces = [piece for one in found if isinstance(one, TextDelta) for piece in one.text.split()]
    texts = [item for item in items if item["type"] == "message"]
    assert sorted(pieces) == sorted(" ".join(one["content"][0]["text"] for one in texts).split())
    calls = [item for item in items if item["type"] == "function_call"]
    assert sum(isinstance(one, ToolCalled) for one in found) == len(calls)
    assert isinstance(found[-1], TurnEnded)


@given(interleaved())
def test_items_that_are_streamed_at_once_are_told_one_after_the_other(
    streamed: tuple[list[Json], list[Json]],
) -> None:
    items, mixed = streamed
    assert_in_turn(read(*mixed, completed(*items)), items)


@given(interleaved(), st.integers(0, 40))
def test_what_a_call_has_held_up_is_told_although_its_end_comes_with_the_response_only(
    streamed: tuple[list[Json], list[Json]], cut: int
) -> None:
    items, mixed = streamed
    dones = [one for one in mixed if one["type"].endswith("item.done")]
    ends = [one for one in dones if one["item"]["type"] != "message"]
    lost = ends[cut % len(ends)] if ends else None
    assert_in_turn(read(*(one for one in mixed if one is not lost), completed(*items)), items)


def test_a_text_is_not_lost_if_the_call_before_it_never_ends() -> None:
    search, said = item_of("web_search_call", 0), item_of("message", 1)
    begun = events_of(search, 0, with_indexes=False)[0]
    found = read(begun, *events_of(said, 1, with_indexes=False), completed())
    assert [one.text for one in found if isinstance(one, TextDelta)] == ["a1 ", "b1 "]


def test_a_text_that_waits_for_a_call_is_an_answer() -> None:
    begun = events_of(item_of("web_search_call", 0), 0, with_indexes=False)[0]
    found, error = read_stream(
        "responses", body(begun, event("output_text.delta", delta="Hi")), b"data: [DONE]\n\n"
    )
    assert error is None
    assert TextDelta("Hi") in found
