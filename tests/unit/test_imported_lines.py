"""Lines of imported files: whatever stands in them, they are read or refused with a reason."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill import Assistant
from threadmill.runs.registration import fields_of
from threadmill.transfer.dropped import dropped_of_assistant
from threadmill.transfer.index import FileIndex
from threadmill.transfer.lines import AssistantLine, MessageLine, read_line
from threadmill.transfer.objects import assistant
from threadmill_shared.errors import CallerError
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.objects import Message

Json = dict[str, Any]
ASSISTANT: Json = {
    "object": "assistant",
    "id": "asst_1",
    "created_at": 1710000000,
    "name": "Kim",
    "model": "gpt-5",
    "instructions": "Be kind.",
    "tools": [
        {"type": "file_search", "file_search": {"max_num_results": 5}},
        {"type": "code_interpreter"},
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    ],
    "tool_resources": {
        "file_search": {"vector_store_ids": ["vs_1"]},
        "code_interpreter": {"file_ids": ["file-1"]},
    },
    "metadata": {"a": "b"},
    "response_format": {"type": "json_object"},
    "temperature": 0.5,
    "top_p": 1,
    "reasoning_effort": "low",
}
THREAD: Json = {"object": "thread", "id": "thread_1", "created_at": 1710000000, "metadata": {}}
CITED: Json = {
    "type": "file_citation",
    "text": "【0†a】",
    "start_index": 2,
    "end_index": 7,
    "file_citation": {"file_id": "file-1"},
}
MESSAGE: Json = {
    "object": "thread.message",
    "id": "msg_1",
    "thread_id": "thread_1",
    "created_at": 1710000000,
    "role": "assistant",
    "content": [
        {"type": "text", "text": {"value": "Hi【0†a】", "annotations": [CITED]}},
        {"type": "image_url", "image_url": {"url": "http://a"}},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {"type": "refusal", "refusal": "No."},
    ],
    "status": "incomplete",
    "incomplete_details": {"reason": "max_tokens"},
    "attachments": [{"file_id": "file-1", "tools": [{"type": "file_search"}]}],
    "metadata": {},
    "threadmill": {"at": 1710000000000, "position": 1, "assistant_name": "Kim"},
}
ITEM: Json = {
    "object": "threadmill.item",
    "thread_id": "thread_1",
    "created_at": 1710000000,
    "item": {"type": "note", "text": "A note.", "run_id": "run_1"},
    "threadmill": {"at": 1710000000000, "position": 2},
}
ODD: list[Any] = [
    None, True, 5, -1, 1.5, 10**400, -(10**400), 10**17, "", "x", "5", "9" * 5000, [], ["x"],
    [5], [None], [[]], {}, {"x": 5}, [{"type": ["x"]}], [{"x": {}}],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places in a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in pairs:
        yield (*path, name)
        if isinstance(part, dict | list):
            yield from places(part, (*path, name))


def with_value(line: Json, path: tuple[Any, ...], value: Any) -> Json:
    line = copy.deepcopy(line)
    place: Any = line
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return line


LINES = [ASSISTANT, THREAD, MESSAGE, ITEM]
PLACES = [(line, path) for line in LINES for path in places(line)]


def check(line: Json) -> None:
    """It is indexed or refused; the next line is read in any case."""
    good = json.dumps(MESSAGE | {"id": "msg_next", "thread_id": "thread_next"})
    content = f"{json.dumps(line)}\n{good}\n".encode()
    index = FileIndex.of(io.BytesIO(content), skip_invalid=True)
    assert "thread_next" in [id for id, _ in index.threads()]
    index.close()


def check_reading(line: Json) -> None:
    try:
        found = read_line(json.dumps(line).encode())
    except CallerError:
        return
    if isinstance(found, MessageLine):
        Message.read("thread_1", found.item({}), 0)
    if isinstance(found, AssistantLine):
        dropped_of_assistant(found)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["object"])
def test_good_lines_are_read(line: Json) -> None:
    assert read_line(json.dumps(line).encode()) is not None


@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{value!r:.12}")
def test_an_odd_value_anywhere_is_read_or_refused(value: Any) -> None:
    for line, path in PLACES:
        check_reading(with_value(line, path, value))
        check(with_value(line, path, value))


@given(st.sampled_from(PLACES), st.sampled_from(PLACES), st.sampled_from(ODD))
def test_any_value_in_place_of_any_other_is_read_or_refused(
    at: tuple[Json, Any], other: tuple[Json, Any], odd: Any
) -> None:
    value: Any = other[0]
    for name in other[1]:
        value = value[name]
    for line in (with_value(*at, value), with_value(*at, [value, odd])):
        check_reading(line)
        check(line)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"object": ["x"]}, "its 'object' must be"),
        ({"created_at": 10**400}, "created_at: is in milliseconds"),
        ({"threadmill": {"at": 10**400}}, "threadmill.at: "),
        ({"threadmill": {"position": 10**17}}, "threadmill.position: "),
    ],
)
def test_the_reason_names_the_field(changes: Json, reason: str) -> None:
    with pytest.raises(CallerError, match=reason):
        read_line(json.dumps(MESSAGE | changes).encode())


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ([{"type": "file_search", "file_search": 5}], "The tool 'file_search' is not valid"),
        ([{"type": "file_search", "file_search": ["x"]}], "The tool 'file_search' is not valid"),
    ],
)
def test_the_reason_names_the_tool(tools: list[Json], reason: str) -> None:
    with pytest.raises(CallerError, match=reason):
        read_line(json.dumps(ASSISTANT | {"tools": tools}).encode())


def shown(line: Json) -> Json:
    """What is shown of an assistant that was imported."""
    found = read_line(json.dumps(line).encode())
    assert isinstance(found, AssistantLine)
    return assistant(found.definition())


def test_an_assistant_is_shown_as_it_was_given() -> None:
    options = {"max_num_results": 5, "ranking_options": {"score_threshold": 0.5, "ranker": "auto"}}
    schema = {"type": "object", "properties": {}}
    add = {"name": "add", "description": "Add.", "parameters": schema, "strict": True}
    line = ASSISTANT | {
        "instructions": "Use {{ braces }}.\r\n",
        "tools": [
            {"type": "function", "function": add},
            {"type": "file_search", "file_search": options},
            {"type": "code_interpreter"},
        ],
    }
    same = line.keys() - {"created_at", "top_p"}
    assert {name: shown(line)[name] for name in same} == {name: line[name] for name in same}


def test_an_assistant_without_a_name_has_none() -> None:
    assert shown(ASSISTANT | {"name": None})["name"] is None
    found = Definition(id="asst_1", name="", model="m")
    assert assistant(found)["name"] == ""
    assert Assistant(**fields_of(found, Assistant.model_fields)).name == "asst_1"
