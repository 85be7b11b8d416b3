"""Clients read one step after the other, in whatever order a provider sends the parts of a turn."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

import pytest
from tests.conftest import Run
from tests.support.event_order import violations
from tests.support.executor_bench import Bench
from tests.support.store.scene import Scene

from threadmill_shared.errors import ModelGarbled
from threadmill_shared.model import (
    CodeDelta,
    FinishReason,
    HostedCallEnded,
    HostedCallStarted,
    MessageEnded,
    ModelEvent,
    ModelRequest,
    ReasoningReceived,
    TextCited,
    TextDelta,
    ToolCalled,
    TurnEnded,
)
from threadmill_shared.records.items import message_text
from threadmill_shared.records.run import Status
from threadmill_workers.execution import model_turn

pytestmark = pytest.mark.any_server

KINDS = ("text", "call", "code", "search", "reasoning")


def part(kind: str, number: int) -> list[ModelEvent]:
    """The events of one part of a turn."""
    match kind:
        case "text":
            return [TextDelta(f"a{number} "), TextDelta(f"b{number} "), MessageEnded()]
        case "call":
            return [ToolCalled("weigh", "{}", f"call_of_provider_{number}")]
        case "code":
            data = {"type": "code_interpreter_call", "id": f"ci_{number}"}
            details = {"input": f"x{number};y", "outputs": [{"type": "logs", "logs": "1"}]}
            return [
                HostedCallStarted("code_interpreter"),
                CodeDelta(f"x{number};"),
                CodeDelta("y"),
                HostedCallEnded("code_interpreter", data, details),
            ]
        case "search":
            data = {"type": "web_search_call", "id": f"ws_{number}"}
            details = {"action": "search", "queries": [f"q{number}"]}
            return [
                HostedCallStarted("web_search"),
                HostedCallEnded("web_search", data, details, failed=number % 2 == 0),
            ]
        case _:
            return [ReasoningReceived({"type": "reasoning", "id": f"rs_{number}"})]


@dataclass
class Scripted:
    """A model that streams these turns, and then says that it is done."""

    turns: list[Sequence[ModelEvent | Exception]]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        ending: list[ModelEvent | Exception] = [TextDelta("Done."), MessageEnded(), TurnEnded()]
        for event in self.turns.pop(0) if self.turns else ending:
            if isinstance(event, Exception):
                raise event
            yield event

    async def close(self) -> None:
        pass


@pytest.fixture
def bench(scene: Scene, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(model_turn, "pause_before_retry", lambda *_: 0)

    async def make() -> Bench:
        return Bench(scene, model=Scripted([]))

    bench: Bench = run(make())
    yield bench
    run(bench.close())


async def execute(bench: Bench, *turns: Sequence[ModelEvent | Exception]) -> str:
    bench.model.turns = list(turns)
    run_id = (await bench.scene.enqueue()).run_id
    await bench.begin(run_id)
    return run_id


async def assert_whole(scene: Scene, run_id: str, kinds: Sequence[str]) -> None:
    """The thread has each part of the turn once, and an output for each call."""
    items = await scene.items()
    texts = [message_text(one) for one in items if one["type"] == "message"][1:]
    wanted = [f"{x}{at}" for at, kind in enumerate(kinds) if kind == "text" for x in "ab"]
    assert " ".join(texts).split() == wanted + ["Done."] * ("call" in kinds)
    hosted = [one["data"]["id"] for one in items if one["type"] == "hosted_call"]
    names = {"code": "ci", "search": "ws"}
    assert hosted == [f"{names[kind]}_{at}" for at, kind in enumerate(kinds) if kind in names]
    calls = [one["id"] for one in items if one["type"] == "tool_call"]
    assert len(calls) == kinds.count("call")
    assert [one["call_id"] for one in items if one["type"] == "tool_output"] == calls
    steps = await scene.store.runs.steps(run_id)
    assert not [step for step in steps if step.status == "in_progress"]


@pytest.mark.parametrize("seed", range(25))
async def test_a_turn_of_parts_in_any_order_is_one_step_after_the_other(scene, bench, seed):
    kinds = random.Random(seed).choices(KINDS, k=random.Random(seed).randint(2, 7))
    events = [event for at, kind in enumerate(kinds) for event in part(kind, at)]

    run_id = await execute(bench, [*events, TurnEnded()])

    assert await scene.status(run_id) is Status.COMPLETED
    assert violations(await scene.events(run_id)) == []
    await assert_whole(scene, run_id, kinds)


@pytest.mark.parametrize("seed", range(25))
async def test_so_is_one_whose_parts_are_mixed_or_that_breaks_off(scene, bench, seed):
    choose = random.Random(seed)
    kinds = choose.sample([*KINDS, "text", "call", "search"], k=5)
    left = [part(kind, at) for at, kind in enumerate(kinds)]
    mixed: list[ModelEvent | Exception] = []
    while any(left):
        mixed.append(choose.choice([one for one in left if one]).pop(0))
    broken = [*mixed[: choose.randint(0, len(mixed))], ModelGarbled("It broke off.")]
    stop = choose.choice([FinishReason.END, FinishReason.LENGTH, FinishReason.CONTENT_FILTER])

    run_id = await execute(bench, broken, [*mixed, TurnEnded(stop)])

    assert (await scene.status(run_id)).is_terminal
    assert violations(await scene.events(run_id)) == []
    steps = await scene.store.runs.steps(run_id)
    assert not [step for step in steps if step.status == "in_progress"]


async def test_a_message_is_whole_before_a_hosted_call_behind_a_functions_call_begins(scene, bench):
    kinds = ["text", "call", "code", "text", "call", "search", "text"]
    events = [event for at, kind in enumerate(kinds) for event in part(kind, at)]

    run_id = await execute(bench, [*events, TurnEnded()])

    steps = await scene.store.runs.steps(run_id)
    called = [[call.name for call in step.tool_calls] for step in steps]
    assert called == [[], ["code_interpreter"], [], ["web_search"], [], ["weigh", "weigh"], []]
    types = [item["type"] for item in await scene.items()]
    stored = ["message", "hosted_call", "message", "hosted_call"]
    answered = ["tool_call", "tool_call", "message", "tool_output", "tool_output"]
    assert types == ["message", *stored, *answered, "message"]


async def test_a_message_that_begins_with_a_citation_begins_with_its_text(scene, bench):
    """A client that is told of an image, say, must have been told of the text before it."""
    cited = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 0}
    turn = [TextCited(cited), TextDelta("So."), MessageEnded(), TurnEnded()]

    run_id = await execute(bench, turn)

    events = await scene.events(run_id)
    assert violations(events) == []
    deltas = [one.data["delta"]["content"] for one in events if one.event.endswith("message.delta")]
    assert deltas[0] == [{"index": 0, "type": "text", "text": {"value": "", "annotations": []}}]
