"""What a browser gets of a run's events: what is said and done, and nothing that is private."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.public_parts import private_parts, sent

from threadmill_shared.events.decoder import Event, LogDecoder
from threadmill_shared.events.public import public_events
from threadmill_shared.hosted_tools import FileSearch
from threadmill_shared.records.definition import RunOptions, RunSnapshot
from threadmill_shared.records.log import LogEntry, count, read_record
from threadmill_shared.records.run import RunRecord
from threadmill_shared.tools.spec import ToolSpec

Json = dict[str, Any]
SECRET = "Rumpelstiltskin"
RUN_ID = "run_00" + "a" * 30
TOOL = ToolSpec(
    name="roll_dice",
    description=SECRET,
    parameters={"type": "object", "properties": {SECRET: {"type": "string"}}},
    identity=SECRET,
    digest=SECRET,
)
REQUEST = RunSnapshot(
    assistant_id=SECRET,
    assistant_name=SECRET,
    model=SECRET,
    instructions=SECRET,
    tools=(TOOL,),
    hosted=(FileSearch(vector_store_ids=(SECRET,), ranking_options={"ranker": SECRET}),),
    options=RunOptions(
        metadata={SECRET: SECRET},
        response_format={"type": "json_schema", "json_schema": {"name": SECRET, "schema": {}}},
    ),
)
SOURCE = "【0:0†source】"
CITED = {"type": "file_citation", "text": SECRET, "file_citation": {"file_id": SECRET}}
FILE = {"file_id": SECRET, "filename": SECRET, "tools": []}
RESULTS = [{"file_id": SECRET, "file_name": SECRET, "score": 1, "content": [{"text": SECRET}]}]
ERROR = {"code": "server_error", "name": SECRET, "message": SECRET}
RECORDS: list[list[Any]] = [
    ["r", "created", {}],
    ["r", "queued", {}],
    ["x", "threadmill.run.dispatched", {"queue": SECRET}],
    ["r", "in_progress", {"started_at": 1000, "expires_at": 9000, "metadata": {SECRET: SECRET}}],
    ["tb", 0, [["call_1", "roll_dice", SECRET], ["call_2", "look_up", SECRET]]],
    ["to", 0, 1, "call_2", SECRET],
    ["r", "requires_action", {"required": [["call_1", "roll_dice", SECRET, "output"]]}],
    ["r", "queued", {}],
    ["r", "in_progress", {"started_at": 1000}],
    [
        "te",
        0,
        "completed",
        {"type": "tool_calls", "calls": [["call_1", "roll_dice", SECRET, SECRET]]},
    ],
    ["hb", 1, "call_3", "code_interpreter"],
    ["hd", 1, [SECRET, SECRET]],
    ["x", "threadmill.model.retry", {"error": SECRET}],
    [
        *("he", 1, "completed"),
        {
            "type": "tool_calls",
            "hosted": [
                *("call_3", "code_interpreter"),
                {"input": SECRET, "outputs": [{"type": "logs", "logs": SECRET}]},
            ],
        },
    ],
    ["hb", 2, "call_4", "file_search"],
    [
        *("he", 2, "failed"),
        {
            "type": "tool_calls",
            "hosted": ["call_4", "file_search", {"queries": [SECRET], "results": RESULTS}],
        },
    ],
    ["mb", 0, 3],
    ["d", 0, ["Good ", "morning"]],
    ["mf", 0, 1, [SECRET]],
    [
        *("me", 0, 3, "Good morning", {"prompt_tokens": 7, SECRET: SECRET}),
        {"annotations": [CITED], "images": [SECRET], "attachments": [FILE]},
    ],
    ["mb", 1, 4],
    ["d", 1, ["Good"]],
    ["x", "threadmill.message.enclosed", {"message": 1, "attachments": [FILE]}],
    ["mi", 1, 4, "Good", SECRET, "failed"],
    ["r", "failed", {"last_error": ERROR, "reason": SECRET}],
    ["done"],
]
"""A log with all kinds of records, each with a secret wherever it has one."""


def recorded() -> list[Event]:
    fields = {
        "thread_id": SECRET,
        "status": "in_progress",
        "request": REQUEST.model_dump_json(),
        "queue": SECRET,
        "created_at": "1000",
    }
    decoder, last, found = LogDecoder(RunRecord.read(RUN_ID, fields)), 0, []
    for values in RECORDS:
        record = read_record(values)
        last += count(record)
        entry = LogEntry(last, [record], 5000, 4000, step_error=ERROR)
        found += decoder.events(entry)
    return found


def shown(events: list[Event]) -> Iterator[tuple[str, Any]]:
    for event in public_events(events):
        yield event.event, event.data


def test_the_log_has_a_secret_in_each_of_its_fields() -> None:
    assert json.dumps([event.data for event in recorded()]).count(SECRET) > 100


def test_no_secret_of_a_run_gets_out() -> None:
    stream = "".join(event.sse() for event in public_events(recorded()))
    assert SECRET not in stream
    assert [found for event in recorded() for found in private_parts(event)] == []


def test_texts_statuses_types_of_steps_and_names_of_tools_do() -> None:
    told = list(shown(recorded()))
    deltas = [data["delta"] for name, data in told if name == "thread.message.delta"]
    assert [delta["content"][0]["text"]["value"] for delta in deltas] == [
        "Good ",
        "morning",
        "Good",
    ]
    ended = [data for name, data in told if name == "thread.message.completed"]
    assert [data["content"][0]["text"]["value"] for data in ended] == [f"{SOURCE}Good morning"]
    calls = [
        [call.get("function", {}).get("name") or call["type"] for call in calls]
        for name, data in told
        if name == "thread.run.step.delta"
        for calls in [data["delta"]["step_details"]["tool_calls"]]
    ]
    assert calls == [["roll_dice", "look_up"], ["code_interpreter"], ["file_search"]]
    steps = [
        (data["type"], data["status"])
        for name, data in told
        if name.startswith("thread.run.step.c")
    ]
    assert ("tool_calls", "completed") in steps
    assert ("message_creation", "in_progress") in steps
    of_runs = [name for name, _ in told if re.fullmatch(r"thread\.run\.[a-z_]+", name)]
    statuses = [data["status"] for name, data in told if name in of_runs]
    waits = ("queued", "in_progress", "requires_action", "queued", "in_progress")
    assert statuses == ["queued", *waits, "failed"]


def test_a_failure_has_its_code_and_an_end_its_tokens() -> None:
    told = dict(shown(recorded()))
    assert told["thread.run.failed"]["last_error"] == {"code": "server_error"}
    assert told["thread.run.failed"]["incomplete_details"] is None
    ended = [data for name, data in shown(recorded()) if name == "thread.run.step.completed"]
    assert ended[-1]["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": None,
        "total_tokens": None,
    }


def test_the_numbers_stay() -> None:
    events = {event.id: event.event for event in recorded()}
    public = [(event.id, event.event) for event in public_events(recorded())]
    assert public == [(id, events[id]) for id, _ in sorted(public)]
    assert public[-1] == (max(events), "done")


@pytest.mark.parametrize("name", ["thread.run.paused", "threadmill.run.dispatched", "thread.x", ""])
def test_an_event_that_is_not_known_does_not_get_out(name: str) -> None:
    data = {"id": "x", "status": "paused", "content": [{"type": "text", "text": {"value": "x"}}]}
    assert list(public_events([Event(1, name, data)])) == []


def test_what_a_user_says_does_not_get_out() -> None:
    data = {"role": "user", "content": [{"type": "text", "text": {"value": "x"}}]}
    assert list(public_events([Event(1, "thread.message.completed", data)])) == []


# ---- odd events ----------------------------------------------------------------------------------

EVENT_NAMES = st.sampled_from(
    sorted({event.event for event in recorded()} | {"thread.run.expired", "thread.other"})
)
FIELDS = sorted(
    {
        *("id", "run_id", "role", "type", "status", "content", "text", "value", "delta", "name"),
        *("step_details", "tool_calls", "function", "message_creation", "message_id", "index"),
        *("arguments", "output", "metadata", "instructions", "last_error", "code", "usage"),
        *("prompt_tokens", "created_at", "code_interpreter", "file_search", "annotations"),
        *("incomplete_details", "detail", "reason", "tools", "queries", "object"),
    }
)
WORDS = ["text", "assistant", "function", "tool_calls", "message_creation", "code_interpreter"]
LEAVES = st.one_of(
    st.sampled_from([SECRET, *WORDS]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=3),
)
ODD = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=25,
)
"""JSON that is made of the fields that events have, put together anyhow."""


@given(EVENT_NAMES, st.one_of(ODD, st.dictionaries(st.sampled_from(FIELDS), ODD)))
def test_odd_events_show_what_is_in_public_places_only(name: str, data: Any) -> None:
    event = Event(3, name, data)
    assert list(private_parts(event)) == []
    for found in public_events([event]):
        [(id, sent_name, line)] = sent(found.sse())
        assert (id, sent_name) == ("3", name)
        assert line == "[DONE]" or isinstance(json.loads(line), dict)


def with_one_changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[path[0]] = with_one_changed(value[path[0]], path[1:], new)
    return changed


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    members: dict[Any, Any] = value if isinstance(value, dict) else {}
    if isinstance(value, list):
        members = dict(enumerate(value))
    for name, one in members.items():
        yield from ((name, *path) for path in paths(one))


@pytest.mark.parametrize("event", recorded(), ids=lambda event: f"{event.id}-{event.event}")
@settings(max_examples=15)
@given(st.data(), ODD)
def test_nor_does_a_real_event_of_which_one_part_is_odd(
    event: Event, data: st.DataObject, odd: Any
) -> None:
    path = data.draw(st.sampled_from(list(paths(event.data))))
    changed = Event(event.id, event.event, with_one_changed(event.data, path, odd))
    assert list(private_parts(changed)) == []


# ---- frames --------------------------------------------------------------------------------------

HOSTILE = [
    "\u2028\u2029\x85",
    "\r",
    "\r\n\r\n",
    "\0",
    "x\n\ndata: y\n\n",
    "\n\nid: 99\n\n",
    "\ud800",
    "\udc80\udcff",
    "\v\f\x1c\x1d\x1e",
    ": comment",
    "😀",
    "",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_text_cannot_break_a_frame(text: str) -> None:
    part = {"index": 0, "type": "text", "text": {"value": text}}
    event = Event(7, "thread.message.delta", {"id": text, "delta": {"content": [part]}})
    [public] = public_events([event])
    for one in (event, public):
        frame = one.sse()
        [(id, name, line)] = sent(frame)
        assert (id, name) == ("7", "thread.message.delta")
        value = json.loads(line)["delta"]["content"][0]["text"]["value"]
        assert value == text or set(value) == {"\ufffd"}, "halves of surrogate pairs are replaced"
        assert len(frame.splitlines()) == 4, "one line for whoever splits lines as Python does"
        frame.encode()


@pytest.mark.parametrize("name", ["a\nb", "a\r\ndata: x", "a\u2028b", "\ud800", "a\0"], ids=ascii)
def test_nor_can_a_hostile_name(name: str) -> None:
    [(id, _, line)] = sent(Event(7, name, {"text": "x"}).sse())
    assert (id, line) == ("7", '{"text":"x"}')


def test_numbers_that_json_does_not_have_are_null() -> None:
    [(_, _, line)] = sent(Event(7, "x", {"n": float("nan"), "m": float("inf")}).sse())
    assert json.loads(line) == {"n": None, "m": None}


def test_data_that_is_nested_too_deep_is_cut() -> None:
    deep: Any = "x"
    for _ in range(3000):
        deep = [deep]
    [(_, _, line)] = sent(Event(7, "x", {"deep": deep}).sse())
    json.loads(line)


def test_the_end_is_a_frame_like_the_others() -> None:
    assert Event(9, "done", "[DONE]").sse() == "event: done\nid: 9\ndata: [DONE]\n\n"
