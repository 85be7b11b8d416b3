"""What becomes of a run when the model provider fails, played against a worker over a socket.

All scenarios are under way at the same time, each on a thread of its own; each test looks at one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis
from openai.types.beta import AssistantStreamEvent
from pydantic import TypeAdapter
from tests.support.environment import isolated_environment
from tests.support.paths import SCRIBE
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill import Assistant, Event, Message, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Answer, Call, Fault, Record, Reply, StandIn, Text, by_text
from threadmill_shared.store.keys import Keys

RETRY_AFTER = 1.5
"""Seconds; more than a worker would wait by itself before its first retry."""
RETRIES = 2
RUN_SECONDS = 3.0
"""Deadline of the runs whose provider falls silent."""
FINE = "All is well."
ABANDONED = "a-text-that-nobody-finished"
BEGUN = Reply([Text([f"{ABANDONED} "] * 20)])

COMPLETED, EXPIRED = ("completed", None, None), ("expired", "deadline", "server_error")
UNAVAILABLE = ("failed", "ModelUnavailable", "server_error")
LIMITED = ("failed", "ModelUnavailable", "rate_limit_exceeded")
REFUSED = ("failed", "ModelRefused", "invalid_prompt")
GARBLED = ("failed", "ModelGarbled", "server_error")


@dataclass(frozen=True)
class Scenario:
    """What the provider answers in turn, and how the run is to end."""

    answers: tuple[Answer | str, ...]
    ends: tuple[str, str | None, str | None]
    """Status; name and code of `last_error`."""
    abandons: int = 0
    """Messages that were begun and given up."""


def once(fault: Fault, *, abandons: int = 0) -> Scenario:
    """A fault that passes: the next request is answered."""
    return Scenario((fault, FINE), COMPLETED, abandons)  # type: ignore[arg-type]  # every Fault is one


def always(fault: Fault, ends: tuple[str, str, str], *, abandons: int = 0) -> Scenario:
    """A fault that stays, whatever is tried."""
    return Scenario((fault,) * (RETRIES + 1), ends, abandons)  # type: ignore[arg-type]  # as above


CALL = Reply([Call("length", {"text": "four"})])
SCENARIOS = {
    "429 with Retry-After": once(Fault.status(429, retry_after=RETRY_AFTER)),
    "429 for good": always(Fault.status(429, retry_after=0), LIMITED),
    "429 for a day": Scenario((Fault.status(429, retry_after=86_400),), LIMITED),
    "500": once(Fault.status(500)),
    "500 for good": always(Fault.status(500), UNAVAILABLE),
    "400": Scenario((Fault.status(400),), REFUSED),
    "a connection dropped before the first byte": once(Fault.drop(None)),
    "a connection dropped in mid-stream": once(Fault.drop(3, reply=BEGUN), abandons=1),
    "connections dropped for good": always(
        Fault.drop(3, reply=BEGUN), GARBLED, abandons=RETRIES + 1
    ),
    "garbage": once(Fault.garbage(3, reply=BEGUN), abandons=1),
    "garbage from the beginning": once(Fault.garbage()),
    "garbage for good": always(Fault.garbage(1, reply=BEGUN), GARBLED, abandons=RETRIES + 1),
    "a clean end without the last event": once(Fault.end(3, reply=BEGUN), abandons=1),
    "an error inside the stream": once(Fault.event_error(3, reply=BEGUN), abandons=1),
    "a drop after a tool call": Scenario(
        (CALL, Fault.drop(3, reply=BEGUN), FINE), COMPLETED, abandons=1
    ),
    "silence": Scenario((Fault.hang(None),), EXPIRED),
    "silence in mid-stream": Scenario((Fault.hang(3, reply=BEGUN),), EXPIRED),
}
SILENT = [name for name, scenario in SCENARIOS.items() if scenario.ends == EXPIRED]
SPEAKING = [name for name in SCENARIOS if name not in SILENT]


@dataclass(frozen=True)
class Played:
    """A scenario that is over, and a second say on its thread."""

    run: Run
    events: list[Event]
    messages: list[Message]
    """The thread's, before the second say."""
    requests: list[Record]
    second: Run
    second_request: Record
    claimed_at: float
    """When the run's deadline began to run, by the clock of the requests."""


def user_text(name: str) -> str:
    return f"<{name}>"


@pytest.fixture(scope="module", params=["responses", "chat"])
def api(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def played(
    api: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Played]]:
    """All scenarios, played."""
    brain = by_text({user_text(name): scenario.answers for name, scenario in SCENARIOS.items()})
    url = redis_server.fresh_database()
    with (
        StandIn(brain) as standin,
        isolated_environment(url, standin, api, THREADMILL_MODEL_RETRIES=str(RETRIES)),
        Workers(tmp_path_factory.mktemp(api)) as workers,
        redis.Redis.from_url(url, decode_responses=True) as store,
    ):
        workers.start(SCRIBE)
        yield play(standin, store)


def play(standin: StandIn, store: redis.Redis) -> dict[str, Played]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_RUN_SECONDS", str(RUN_SECONDS))
        close_client()
        runs = enqueue(SILENT)
    close_client()
    runs |= enqueue(SPEAKING)
    for run in runs.values():
        run.wait(timeout=30)
    threads = {name: Thread(run.thread_id) for name, run in runs.items()}
    messages = {name: thread.get_messages() for name, thread in threads.items()}
    scribe = Assistant.load("scribe")
    seconds = {n: scribe.enqueue(f"Again {n}", thread=t) for n, t in threads.items()}
    for second in seconds.values():
        second.wait(timeout=30)

    def requests_of(text: str) -> list[Record]:
        return [record for record in standin.requests if record.user_text == text]

    return {
        name: Played(
            run=run,
            events=list(run.events()),
            messages=messages[name],
            requests=requests_of(user_text(name)),
            second=seconds[name],
            second_request=requests_of(f"Again {name}")[0],
            claimed_at=claimed_at(run, store),
        )
        for name, run in runs.items()
    }


def claimed_at(run: Run, store: redis.Redis) -> float:
    """The store has it in milliseconds of the wall clock; an event only tells whole seconds."""
    started_at = store.hget(Keys("threadmill").run(run.id), "started_at")
    return float(started_at) / 1000 - (time.time() - time.monotonic())


def enqueue(names: list[str]) -> dict[str, Run]:
    scribe = Assistant.load("scribe")
    return {name: scribe.enqueue(user_text(name)) for name in names}


every_scenario = pytest.mark.parametrize("name", SCENARIOS)


@every_scenario
def test_a_fault_is_survived_or_named(name: str, played: dict[str, Played]) -> None:
    run, scenario = played[name].run, SCENARIOS[name]
    error = run.last_error
    assert (run.status, error and error.name, error and error.code) == scenario.ends
    assert len(played[name].requests) == len(scenario.answers)
    if scenario.ends == COMPLETED:
        assert run.text == FINE


@every_scenario
def test_the_thread_holds_what_was_said_and_nothing_twice(
    name: str, played: dict[str, Played]
) -> None:
    said = [(m.role, m.status, m.text) for m in played[name].messages]
    expected = [("user", "completed", user_text(name))]
    if SCENARIOS[name].ends == COMPLETED:
        expected += [("assistant", "completed", FINE)]
    if name == "silence in mid-stream":
        # The run ended with it: it is the run's last word, and no attempt that was given up.
        expected += [("assistant", "incomplete", f"{ABANDONED} " * 3)]
    assert said == expected


@every_scenario
def test_an_abandoned_message_is_in_the_log_and_nowhere_else(
    name: str, played: dict[str, Played]
) -> None:
    play, abandons = played[name], SCENARIOS[name].abandons
    incomplete = [e.data for e in play.events if e.event == "thread.message.incomplete"]
    if name == "silence in mid-stream":
        assert [one["incomplete_details"]["reason"] for one in incomplete] == ["run_expired"]
        return
    assert [one["incomplete_details"]["reason"] for one in incomplete] == ["run_failed"] * abandons
    assert all(ABANDONED in one["content"][0]["text"]["value"] for one in incomplete)
    deltas = [e for e in play.events if e.event == "thread.message.delta" and ABANDONED in str(e)]
    assert bool(deltas) == bool(abandons)

    for record in (*play.requests, play.second_request):
        assert ABANDONED not in json.dumps(record.body)
    assert ABANDONED not in "".join(message.text for message in play.run.messages)
    assert {step.status for step in play.run.steps} <= {"completed", "cancelled"}


@every_scenario
def test_every_event_is_one_of_the_assistants_api(name: str, played: dict[str, Played]) -> None:
    known: TypeAdapter[AssistantStreamEvent] = TypeAdapter(AssistantStreamEvent)
    events = played[name].events
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[-1].event == "done"
    ends = [e.event for e in events if e.event == f"thread.run.{played[name].run.status}"]
    assert len(ends) == 1
    assert events[-2].event == ends[0]
    for event in events[:-1]:
        if not event.event.startswith("threadmill."):
            known.validate_json(json.dumps({"event": event.event, "data": event.data}), strict=True)


@every_scenario
def test_the_thread_is_usable_afterwards(name: str, played: dict[str, Played]) -> None:
    assert played[name].second.status == "completed"
    assert f"Again {name}" in played[name].second.text


def test_retry_after_is_waited_for(played: dict[str, Played]) -> None:
    play = played["429 with Retry-After"]
    first, second = play.requests
    assert first.ended_at is not None
    assert RETRY_AFTER <= second.begun_at - first.ended_at < RETRY_AFTER + 1.5
    [retry] = [event.data for event in play.events if event.event == "threadmill.model.retry"]
    assert retry["error"] == "ModelUnavailable"
    assert retry["seconds"] >= RETRY_AFTER


@pytest.mark.parametrize("name", SILENT)
def test_a_silent_provider_is_left_at_the_deadline(name: str, played: dict[str, Played]) -> None:
    [request] = played[name].requests
    assert request.closed_at is not None
    assert abs(request.closed_at - played[name].claimed_at - RUN_SECONDS) < 0.5
    error = played[name].run.last_error
    assert error is not None
    assert "THREADMILL_RUN_SECONDS" in error.message


def test_a_tool_is_not_called_again_when_the_turn_after_it_breaks_off(
    played: dict[str, Played],
) -> None:
    run = played["a drop after a tool call"].run
    calls = [call for step in run.steps for call in step.tool_calls]
    assert [(call.name, call.output) for call in calls] == [("length", "4")]
