"""The fixtures that users' tests get from the package."""

from __future__ import annotations

import os
import subprocess
import sys
import types

import pytest

from threadmill import Assistant, Run, Thread, errors
from threadmill.testing import Call, Reply, ScriptedModel, StandIn, ToolCalled, scripted
from threadmill.testing.workers import Workers
from threadmill_shared.tools import as_tool

seen: list[int] = []


def find_order(number: int) -> str:
    """Look an order up."""
    seen.append(number)
    return f"order {number} is on its way"


clerk = Assistant(name="clerk", instructions="Help.", tools=[find_order])


def say(text: str) -> Run:
    return clerk.say(text, event_handler_class=None)


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_has_a_store_a_provider_and_a_worker_of_its_own(
    time: str, threadmill_standin: StandIn, threadmill_worker: Workers
) -> None:
    seen.clear()
    threadmill_standin.brain = scripted(Reply([Call("find_order", {"number": 7})]), "It comes.")
    worker = threadmill_worker(clerk)
    run = say("Where is it?")
    assert run.text == "It comes."
    assert run.worker == worker.name == f"{worker.name.partition(':')[0]}:{os.getpid()}"
    assert seen == [7]
    # The assistant's default thread is one object in both tests, and empty at the start of each.
    assert len(clerk.default_thread.get_messages()) == 2
    assert len(threadmill_standin.requests) == 2


def test_a_scripted_model_can_call_tools(
    threadmill_standin: StandIn, threadmill_worker: Workers
) -> None:
    seen.clear()
    model = ScriptedModel([ToolCalled("find_order", '{"number": 8}')], "It comes.")
    threadmill_worker(clerk, model=model)
    assert say("Where is it?").text == "It comes."
    assert seen == [8]
    assert len(model.requests) == 2
    assert threadmill_standin.requests == []


def test_a_call_that_no_worker_of_the_test_can_execute_fails_at_once(
    threadmill_worker: Workers,
) -> None:
    threadmill_worker(model=ScriptedModel([ToolCalled("find_order", '{"number": 8}')]))
    spec = as_tool(find_order).spec
    run = Assistant(name="other", tools=[spec]).enqueue("Where is it?").wait(20)
    assert run.last_error is not None
    assert run.last_error.name == "ToolNotFound"
    assert "none has come" not in run.last_error.message


def test_a_module_stands_for_its_name(threadmill_worker: Workers) -> None:
    module = types.ModuleType("some_bots")
    module.clerk = clerk  # type: ignore[attr-defined]  # made here
    threadmill_worker(module, model=ScriptedModel("Hello!"))
    assert Assistant.load("clerk").say("Hi!", event_handler_class=None).text == "Hello!"


def test_a_worker_can_be_a_process_of_its_own(threadmill_worker: Workers) -> None:
    worker = threadmill_worker("tests.acceptance.scripts.scribe", process=True)
    run = Assistant.load("scribe").say('call length {"text": "four"}', event_handler_class=None)
    assert run.text == "length answered: 4."
    assert run.worker == worker.name
    assert run.worker.rpartition(":")[2] != str(os.getpid())


def test_what_cannot_be_started_says_why(threadmill_worker: Workers) -> None:
    with pytest.raises(errors.NotConfigured, match="no_such_module"):
        threadmill_worker("no_such_module", process=True)
    with pytest.raises(errors.NotConfigured, match="no_such_module"):
        threadmill_worker("no_such_module")
    with pytest.raises(TypeError, match="names of modules"):
        threadmill_worker(clerk, process=True)
    threadmill_worker(clerk)
    with pytest.raises(TypeError, match="process=True"):
        threadmill_worker(clerk)


def test_a_store_is_enough_for_what_only_enqueues(threadmill_redis: str) -> None:
    assert os.environ["THREADMILL_REDIS_URL"] == threadmill_redis
    assert clerk.enqueue("Hello!", thread=Thread(key="k")).status == "queued"


BEFORE = dict(os.environ)


def test_the_environment_is_set_while_the_fixtures_are_in_use(threadmill_worker: Workers) -> None:
    assert os.environ["THREADMILL_NAMESPACE"].startswith("test-")
    assert os.environ["OPENAI_BASE_URL"].startswith("http://127.0.0.1:")


def test_the_environment_is_as_before_afterwards() -> None:
    changed = {name for name, _ in os.environ.items() ^ BEFORE.items()}
    assert changed <= {"PYTEST_CURRENT_TEST"}


HEAVY = {"celery", "redis", "pydantic", "aiohttp", "openai", "threadmill_shared"}


def test_loading_the_fixtures_costs_other_projects_nothing() -> None:
    code = f"""
import sys
import pytest
import threadmill.testing.fixtures
print({HEAVY} & set(sys.modules))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "set()\n"
