"""The model's options: an assistant has them as well as a run, and the provider gets them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.acceptance.conftest import Lasting

from threadmill import Assistant, Run, Thread
from threadmill.testing import Call, Reply, StandIn, Text, scripted
from threadmill.testing.standin.replies import Usage

OPTIONS: dict[str, Any] = {
    "reasoning_effort": "low",
    "verbosity": "high",
    "service_tier": "flex",
    "safety_identifier": "user-1",
    "temperature": 0.5,
    "max_completion_tokens": 500,
    "extra_body": {"prompt_cache_key": "k"},
}
SHARED = ("service_tier", "safety_identifier", "temperature")


@pytest.fixture(scope="module", autouse=True)
def worker(lasting: Lasting) -> None:
    lasting.workers.start("toolbox")


@pytest.fixture
def standin(lasting: Lasting) -> StandIn:
    return lasting.fresh_standin()


def say(ai: Assistant, **options: Any) -> Run:
    return ai.say("Hi", thread=Thread(), event_handler_class=None, timeout=30, **options)


def assert_sent(standin: StandIn, api: str) -> None:
    body = standin.requests[-1].body
    assert {name: body[name] for name in SHARED} == {name: OPTIONS[name] for name in SHARED}
    assert body["prompt_cache_key"] == "k"
    if api == "responses":
        assert (body["reasoning"]["effort"], body["text"]["verbosity"]) == ("low", "high")
        assert body["max_output_tokens"] == 500
    else:
        assert (body["reasoning_effort"], body["verbosity"]) == ("low", "high")
        assert body["max_completion_tokens"] == 500


def test_a_runs_options_reach_the_provider(standin: StandIn, api: str) -> None:
    assert say(Assistant(), **OPTIONS).status == "completed"
    assert_sent(standin, api)


def test_a_registered_assistants_options_are_used_by_whoever_knows_its_name(
    standin: StandIn, api: str
) -> None:
    with Assistant(name="Optional", **OPTIONS) as ai:
        assert ai.id is not None
        loaded = Assistant.load(ai.id)
        assert {name: getattr(loaded, name) for name in OPTIONS} == OPTIONS
        assert say(loaded).status == "completed"
        assert_sent(standin, api)

        known_by_id = Assistant(id=ai.id, service_tier="priority")
        assert say(known_by_id).status == "completed"
        body = standin.requests[-1].body
        assert (body["service_tier"], body["temperature"]) == ("priority", 0.5)

        assert say(loaded, service_tier="auto", temperature=None).status == "completed"
        body = standin.requests[-1].body
        assert body["service_tier"] == "auto"
        assert "temperature" not in body


def test_an_assistant_keeps_its_options_when_it_is_saved(standin: StandIn) -> None:
    ai = Assistant(name="Saved", reasoning_effort="low", verbosity="low")
    ai.create()
    assert ai.id is not None
    ai.reasoning_effort = None
    ai.save()
    loaded = Assistant.load(ai.id)
    ai.delete()
    assert (loaded.reasoning_effort, loaded.verbosity) == (None, "low")
    assert standin.requests == []


def add(a: int) -> int:
    """Add one."""
    return a + 1


def turns(*prompt_tokens: int) -> Any:
    """A brain that calls a function in each turn but the last."""
    calls = [
        Reply([Call("add", {"a": 1})], usage=Usage(tokens, 5, tokens + 5))
        for tokens in prompt_tokens[:-1]
    ]
    last = Usage(prompt_tokens[-1], 5, prompt_tokens[-1] + 5)
    return scripted(*calls, Reply([Text("Done.")], usage=last))


@pytest.mark.parametrize(
    ("most", "prompt_tokens", "asked", "status"),
    [
        (100, (40, 60), 2, "completed"),
        (100, (40, 61), 2, "incomplete"),
        (100, (101,), 1, "incomplete"),
        (100, (101, 10), 1, "incomplete"),
        (100, (60, 41, 5), 2, "incomplete"),
        (None, (1000, 1000), 2, "completed"),
    ],
)
def test_a_run_is_incomplete_when_its_turns_have_sent_more_than_allowed(
    standin: StandIn, most: int | None, prompt_tokens: tuple[int, ...], asked: int, status: str
) -> None:
    standin.brain = turns(*prompt_tokens)
    thread = Thread()
    run = Assistant(tools=[add]).say(
        "Hi", thread=thread, event_handler_class=None, timeout=30, max_prompt_tokens=most
    )
    assert (run.status, len(standin.requests)) == (status, asked)
    assert run.incomplete_reason == ("max_prompt_tokens" if status == "incomplete" else None)
    ended = next(e.data for e in run.events() if e.event == f"thread.run.{status}")
    assert ended["max_prompt_tokens"] == most
    if status == "incomplete":
        assert ended["incomplete_details"]["reason"] == "max_prompt_tokens"

    assert_thread_goes_on(standin, thread)


def assert_thread_goes_on(standin: StandIn, thread: Thread) -> None:
    standin.brain = scripted("Fine.")
    again = Assistant().say("Again", thread=thread, event_handler_class=None, timeout=30)
    assert again.text == "Fine."


def writing(*completion_tokens: int) -> Any:
    """A brain that calls a function in each turn but the last."""
    used = [Usage(10, tokens, 10 + tokens) for tokens in completion_tokens]
    calls = [Reply([Call("add", {"a": 1})], usage=one) for one in used[:-1]]
    return scripted(*calls, Reply([Text("Done.")], usage=used[-1]))


def most_tokens(body: dict[str, Any]) -> int | None:
    """How much the model may write, in either API."""
    return body.get("max_output_tokens", body.get("max_completion_tokens"))


@pytest.mark.parametrize(
    ("most", "written", "allowed", "status"),
    [
        (100, (40, 60), [100, 60], "completed"),
        (100, (40, 44, 16), [100, 60, 16], "completed"),
        (100, (40, 45, 15), [100, 60], "incomplete"),
        (100, (40, 70, 10), [100, 60], "incomplete"),
        (16, (16, 1), [16], "incomplete"),
        (None, (1000, 1000), [None, None], "completed"),
    ],
)
def test_a_model_may_write_in_each_turn_what_the_others_have_left(
    standin: StandIn,
    most: int | None,
    written: tuple[int, ...],
    allowed: list[int | None],
    status: str,
) -> None:
    standin.brain = writing(*written)
    thread = Thread()
    run = Assistant(tools=[add]).say(
        "Hi", thread=thread, event_handler_class=None, timeout=30, max_completion_tokens=most
    )
    assert [most_tokens(one.body) for one in standin.requests] == allowed
    assert run.status == status
    assert run.incomplete_reason == ("max_completion_tokens" if status == "incomplete" else None)
    assert all(call.output is not None for step in run.steps for call in step.tool_calls)
    assert_thread_goes_on(standin, thread)
