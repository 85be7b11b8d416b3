"""A run's log: the same for every reader, complete, and in the shapes that openai's types have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from openai.types.beta import AssistantStreamEvent
from pydantic import BaseModel, TypeAdapter
from tests.acceptance.conftest import Lasting
from tests.support.processes.script import Script
from tests.support.provider_requests import is_speaking
from tests.support.waiting import wait_until

from threadmill import Assistant, Event, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Brain, Fault, Pause, Reply, StandIn, Text, converse

TERMINAL = {
    f"thread.run.{status}"
    for status in ("completed", "failed", "cancelled", "incomplete", "expired")
}

SPEAK = Reply([Text([f"{number} " for number in range(60)])], delay=0.005)


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def enqueue(text: str, thread: Thread | None = None, **options: Any) -> Run:
    return Assistant.load("toolbox").enqueue(text, thread or Thread(), **options)


# ---- readers -----------------------------------------------------------------------------------

PRINT_EVENTS = """
    import dataclasses, json, sys
    from threadmill import Run

    for event in Run.load(sys.argv[1]).events(after=int(sys.argv[2])):
        print(json.dumps(dataclasses.asdict(event)), flush=True)
"""


def speak_with(pause: Pause) -> Brain:
    """A brain that calls the tools that the user names, and then speaks, with a pause."""
    speech = replace(SPEAK, pause=pause)
    return lambda request: speech if request.tool_outputs else converse(request)


def read_in_halves(run: Run, first: int) -> list[Event]:
    """Stop after so many events, and go on from there with a new reader."""
    events = list(islice(run.events(), first))
    return [*events, *run.events(after=events[-1].id)]


def count_deltas(events: Iterable[Event]) -> int:
    return sum(event.event == "thread.message.delta" for event in events)


def test_every_reader_gets_the_same_events(standin: StandIn) -> None:
    pause = Pause(after_tokens=30)
    standin.brain = speak_with(pause)
    run = enqueue('call show_int {"value": 1} call fail {}')
    elsewhere = Script.of_source(PRINT_EVENTS, run.id, "0")
    live: list[Event] = []
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(lambda: live.extend(run.events()))
        halves = [threads.submit(read_in_halves, run, first) for first in (1, 10, 30, 50)]
        try:
            wait_until(lambda: count_deltas(live) == 30, "the first half of the speech was read")
            assert standin.requests[-1].ended_at is None
        finally:
            pause.end()
        reading.result(20)

    late = list(run.events())
    assert live == late
    assert [half.result() for half in halves] == [late] * len(halves)
    assert [Event(**json.loads(line)) for line in elsewhere.finish().splitlines()] == late
    for after in range(len(late) + 1):
        assert list(run.events(after=after)) == late[after:]
    assert count_deltas(late) == 60
    assert_complete(late)


def assert_complete(events: list[Event]) -> None:
    names = [event.event for event in events]
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert names[-1] == "done"
    assert [names.index(name) for name in names if name in TERMINAL] == [len(names) - 2]


def test_a_browser_gets_its_part_of_the_events_and_continues_anywhere(standin: StandIn) -> None:
    run = completed(standin)
    public = list(run.events(public=True))
    numbers = [event.id for event in run.events()]
    assert {event.id for event in public} < set(numbers)
    assert public[-1].event == "done"
    texts = [part["text"]["value"] for event in public for part in parts(event)]
    assert "".join(texts) == run.text
    shown = "".join(event.sse() for event in public)
    assert '{"name":"show_int"}' in shown
    assert '\\"value\\"' not in shown
    assert '\\"value\\"' in "".join(event.sse() for event in run.events())
    for after in numbers:
        rest = [event for event in public if event.id > after]
        assert list(run.events(after, public=True)) == rest

    async def read() -> list[Event]:
        return [event async for event in run.events_async(public=True)]

    assert asyncio.run(read()) == public


def parts(event: Event) -> list[Any]:
    is_delta = event.event == "thread.message.delta"
    return list(event.data["delta"]["content"]) if is_delta else []


# ---- shapes ------------------------------------------------------------------------------------

STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(AssistantStreamEvent)
PARTIAL = {"thread.message.delta", "thread.run.step.delta"}
"""Events of whose objects the real ones leave out what has not changed."""


def assert_openai_reads(event: Event) -> None:
    sent = json.dumps({"event": event.event, "data": event.data})
    read = STREAM_EVENT.validate_json(sent, strict=True)
    if event.event not in PARTIAL:
        assert list(missing(read.data)) == [], event


def missing(value: Any, path: str = "") -> Iterator[str]:
    """Fields that the object does not have, where a real one has at least a null."""
    if isinstance(value, BaseModel):
        yield from (
            f"{path}.{name}" for name in type(value).model_fields.keys() - value.model_fields_set
        )
        for name in value.model_fields_set & type(value).model_fields.keys():
            yield from missing(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from missing(one, f"{path}[]")


def refuse_once(*first: Any) -> Any:
    """A brain that begins with these answers, and then converses."""
    left = list(first)
    return lambda request: left.pop(0) if left else converse(request)


def completed(standin: StandIn) -> Run:
    return enqueue('call show_int {"value": 1} call fail {}').wait(20)


def failed(standin: StandIn) -> Run:
    standin.brain = refuse_once(Fault.status(400))
    return enqueue("Hello.").wait(20)


def retried(standin: StandIn) -> Run:
    standin.brain = refuse_once(Fault.drop(after_tokens=3))
    return enqueue("Hello.").wait(20)


def incomplete(standin: StandIn) -> Run:
    return enqueue("tokens=40", max_completion_tokens=16).wait(20)


def cancelled_while_speaking(standin: StandIn) -> Run:
    run = enqueue("tokens=500 delay=0.02")
    standin.wait_until(is_speaking)
    return run.cancel().wait(20)


def cancelled_while_calling(standin: StandIn) -> Run:
    run = enqueue('call wait_on_loop {"seconds": 20} call wait_in_thread {"seconds": 1}')
    wait_until(lambda: run.refresh().steps, "the calls have begun")
    return run.cancel().wait(20)


def cancelled_in_line(standin: StandIn) -> Run:
    thread = Thread()
    before = enqueue("tokens=500 delay=0.02", thread)
    run = enqueue("Never mind.", thread).cancel()
    before.cancel().wait(20)
    return run.wait(20)


def ended_by_tool(standin: StandIn) -> Run:
    return enqueue('call end_by_raise {} call wait_on_loop {"seconds": 20}').wait(20)


def expired(standin: StandIn) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_RUN_SECONDS", "0.3")
        close_client()
        run = enqueue("tokens=500 delay=0.02").wait(20)
    close_client()
    return run


ENDS = {
    completed: "completed",
    failed: "failed",
    retried: "completed",
    incomplete: "incomplete",
    cancelled_while_speaking: "cancelled",
    cancelled_while_calling: "cancelled",
    cancelled_in_line: "cancelled",
    ended_by_tool: "cancelled",
    expired: "expired",
}


def test_whatever_becomes_of_a_run_its_events_are_complete_and_openai_reads_them(
    standin: StandIn,
) -> None:
    seen = set()
    for story, status in ENDS.items():
        standin.forget()
        standin.brain = converse
        run = story(standin)
        assert run.status == status, story
        events = list(run.events())
        assert_complete(events)
        for event in events:
            seen.add(event.event)
            if event.event != "done" and not event.event.startswith("threadmill."):
                assert_openai_reads(event)
    assert seen >= {"thread.message.incomplete", "threadmill.tool.failed", *TERMINAL}
