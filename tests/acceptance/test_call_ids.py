"""Providers that give their tool calls no ids, or one id to all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.processes.worker import Workers

from threadmill import Assistant
from threadmill.testing import Call, Record, Reply, StandIn, Text


@pytest.mark.parametrize("id", ["", "call_0"])
def test_calls_of_one_id_are_all_made_and_each_output_has_its_own_call(
    workers: Workers, standin: StandIn, tmp_path: Path, id: str
) -> None:
    turns = [
        Reply(
            [
                Call("remember", {"word": "first"}, id=id),
                Call("remember", {"word": "second"}, id=id),
            ]
        ),
        Reply([Call("remember", {"word": "third"}, id=id)]),
        Reply([Text("Done.")]),
    ]
    asked = iter(turns)
    standin.brain = lambda _: next(asked)
    workers.start("dangerous")
    (notes := tmp_path / "notes").touch()

    run = Assistant.load("dangerous").enqueue("Go!", context={"notes": str(notes)}).wait(20)

    assert run.status == "completed"
    done = [line.split()[0] for line in notes.read_text().splitlines()]
    assert sorted(done[:4]) == ["begin:first", "begin:second", "end:first", "end:second"]
    assert done[4:] == ["begin:third", "end:third"]
    calls, outputs = call_ids(standin.requests[-1])
    assert len(set(calls)) == 3
    assert sorted(outputs) == sorted(calls)


def call_ids(record: Record) -> tuple[list[str], list[str]]:
    """The ids of the calls and of the outputs that a request carried."""
    items: list[Any] = record.items
    if record.api == "responses":
        calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
        outputs = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
        return calls, outputs
    calls = [call["id"] for item in items for call in item.get("tool_calls") or ()]
    return calls, [item["tool_call_id"] for item in items if item["role"] == "tool"]
