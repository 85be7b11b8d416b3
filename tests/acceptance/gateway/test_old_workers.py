"""Gateways of this release beside workers of the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types.beta import Assistant
from openai.types.beta.threads import Run
from tests.support.paths import BOTS
from tests.support.processes.gateway import Gateways
from tests.support.processes.last_release import last_release
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")

ADD = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter that has the last release."""
    return last_release(tmp_path_factory.mktemp("last"))


@pytest.fixture
def client(workers: Workers, last: str, tmp_path: Path) -> Iterator[openai.OpenAI]:
    """A client of a gateway; all workers are of the last release."""
    workers.start("upgraded", python=last, CLERK="first")
    with Gateways(tmp_path) as gateways:
        url = f"{gateways.start().url}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as made:
            yield made


@pytest.fixture
def assistant(client: openai.OpenAI) -> Assistant:
    return client.beta.assistants.create(
        model="gpt-5.4-mini",
        instructions="Be brief.",
        tools=[{"type": "function", "function": ADD}],
    )


def say(client: openai.OpenAI, assistant: Assistant, text: str) -> Run:
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text}])
    runs = client.beta.threads.runs
    return runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)


def last_text(client: openai.OpenAI, run: Run) -> str:
    messages = client.beta.threads.messages.list(run.thread_id, limit=1, run_id=run.id)
    [part] = messages.data[0].content
    assert part.type == "text"
    return part.text.value


def test_an_old_worker_executes_what_a_gateway_enqueues(
    client: openai.OpenAI, assistant: Assistant
) -> None:
    plain = say(client, assistant, "tokens=5")
    assert (plain.status, last_text(client, plain)) == ("completed", "1 2 3 4 5 ")
    run = say(client, assistant, 'call add {"a": 2}')
    assert run.required_action is not None
    [call] = run.required_action.submit_tool_outputs.tool_calls
    with client.beta.threads.runs.submit_tool_outputs_stream(
        thread_id=run.thread_id,
        run_id=run.id,
        tool_outputs=[{"tool_call_id": call.id, "output": "four"}],
    ) as stream:
        stream.until_done()
    assert "four" in last_text(client, run)


def test_an_old_worker_does_not_start_once_a_gateway_has_written_what_it_cannot_read(
    client: openai.OpenAI, assistant: Assistant, last: str, tmp_path: Path
) -> None:
    run = say(client, assistant, "tokens=5")
    [message] = client.beta.threads.messages.list(run.thread_id, run_id=run.id).data
    client.beta.threads.messages.delete(message.id, thread_id=run.thread_id)
    old = Worker(tmp_path / "old.log", ("upgraded",), BOTS, {"CLERK": "first"}, python=last)
    wait_until(old.has_ended, "it gives up", 30)
    assert old.exit_code != 0
    assert "This store has format 2" in old.log()
    assert "Upgrade this worker" in old.log()
