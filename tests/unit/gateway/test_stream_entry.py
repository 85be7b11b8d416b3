"""A stream that is entered in the middle goes on to the same text, wherever it is entered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from threadmill_gateway.streams.event_filter import EventFilter
from threadmill_gateway.streams.run_stream import RunStream
from threadmill_shared.events.decoder import Event

RUN = {"id": "run_1", "object": "thread.run"}


def run(status: str) -> tuple[str, dict[str, Any]]:
    return f"thread.run.{status}", RUN | {"status": status}


def step(what: str, **details: Any) -> tuple[str, dict[str, Any]]:
    data = {"id": "step_1", "step_details": {"type": "tool_calls", "tool_calls": []}, **details}
    return f"thread.run.step.{what}", data


def step_delta(call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    details = {"type": "tool_calls", "tool_calls": [{"index": 0, "type": "function", **call}]}
    return "thread.run.step.delta", {"id": "step_1", "delta": {"step_details": details}}


def message(what: str, content: Sequence[Any] = ()) -> tuple[str, dict[str, Any]]:
    return f"thread.message.{what}", {"id": "msg_1", "content": [*content]}


def text_delta(text: str) -> tuple[str, dict[str, Any]]:
    part = {"index": 0, "type": "text", "text": {"value": text}}
    return "thread.message.delta", {"id": "msg_1", "delta": {"content": [part]}}


TEXTS = ["The ", "sky ", "is ", "blue."]
LOG = [
    Event(number, *one)
    for number, one in enumerate(
        [
            run("created"),
            run("queued"),
            run("in_progress"),
            step("created"),
            step("in_progress"),
            step_delta({"id": "call_1", "function": {"name": "f", "arguments": "{}"}}),
            step_delta({"function": {"output": "4"}}),
            step("completed"),
            message("created"),
            message("in_progress"),
            *map(text_delta, TEXTS),
            message("completed", [{"type": "text", "text": {"value": "".join(TEXTS)}}]),
            run("completed"),
            ("done", "[DONE]"),
        ],
        1,
    )
]


class Groups:
    """The log in groups of this size, with a silent second after each."""

    def __init__(self, size: int) -> None:
        parts = [LOG[at : at + size] for at in range(0, len(LOG), size)]
        self._left: list[Sequence[Event]] = [group for part in parts for group in (part, [])]

    async def next(self) -> Sequence[Event] | None:
        return self._left.pop(0) if self._left else None

    async def close(self) -> None:
        self._left.clear()


async def read(after: int, size: int) -> bytes:
    stream = RunStream(Groups(size), event_filter=EventFilter(), enters_behind=after)
    chunks = []
    while (chunk := await stream.next()) is not None:
        chunks.append(chunk)
    return b"".join(chunks)


def entered(after: int, size: int) -> list[tuple[str, Any]]:
    content = asyncio.run(read(after, size)).decode()
    found = []
    for block in content.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        data = fields["data"]
        found.append((fields["event"], data if data == "[DONE]" else json.loads(data)))
    return found


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("after", range(1, len(LOG) - 1))
def test_what_is_open_comes_first_and_the_rest_behind_it(after: int, size: int) -> None:
    found = entered(after, size)
    assert found[0][0].startswith("thread.run.")
    assert found[-1] == ("done", "[DONE]")
    rest = [(event.event, event.data) for event in LOG[after:]]
    assert found[-len(rest) :] == rest


@pytest.mark.parametrize("after", range(8, 15))
def test_the_text_so_far_and_what_follows_are_the_whole_text(after: int) -> None:
    text = ""
    for name, data in entered(after, 2):
        if name == "thread.message.created":
            text = "".join(part["text"]["value"] for part in data["content"])
        if name == "thread.message.delta":
            text += data["delta"]["content"][0]["text"]["value"]
    assert text == "".join(TEXTS)


def test_the_id_of_a_call_is_not_repeated_behind_its_step() -> None:
    found = entered(6, 1)
    [created] = [data for name, data in found if name == "thread.run.step.created"]
    [call] = created["step_details"]["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("call_1", "f")
    deltas = [data for name, data in found if name == "thread.run.step.delta"]
    assert [one["delta"]["step_details"]["tool_calls"][0].get("id") for one in deltas] == [None]
