"""Two groups of workers, each with a provider and a queue of its own: no run goes to the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.environment import isolated_environment
from tests.support.paths import ROOT
from tests.support.processes.console import Shown
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, CodeInterpreter, Run, Thread, errors
from threadmill.testing import Call, Code, Pause, Reasoning, Reply, StandIn, Text, scripted

PAGE = (ROOT / "docs" / "providers.md").read_text()
SECTION = PAGE.partition("\n## Two providers in one fleet\n")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
OPENAI, LOCAL = [
    shown for shown in Shown.all_of(SECTION) if shown.words[:2] == ["threadmill", "worker"]
]

MORE = """
from assistants import clerk, writer
from threadmill import Assistant, Thread, tool


@tool(needs_approval=True)
def pay(amount: int) -> str:
    \"\"\"Pay.\"\"\"
    return f"{amount} paid"


def ask_the_writer(text: str) -> str:
    \"\"\"Ask somebody at the other provider.\"\"\"
    return Assistant.load("Writer").say(text, Thread(), event_handler_class=None).text


cashier = Assistant(
    name="Cashier", model="qwen3-8b", queue="local", tools=[pay, ask_the_writer]
)
"""
OF_LOCAL_QUEUE = """
from threadmill import Assistant


def weigh(item: str) -> str:
    \"\"\"Weigh an item.\"\"\"
    return f"{item}: 3 kg"


scales = Assistant(name="Scales", model="qwen3-8b", queue="local", tools=[weigh])
"""

TWINS = """
from threadmill import Assistant, CodeInterpreter

one, other = [
    Assistant(name=name, model="gpt-5.4-mini", queue=queue, tools=[CodeInterpreter])
    for name, queue in (("One", "openai"), ("Other", "local"))
]
"""


@dataclass(frozen=True)
class Fleet:
    """Two providers, and what starts workers of either."""

    workers: Workers
    folder: Path
    openai: StandIn
    local: StandIn

    def start(self, shown: Shown, module: str = "assistants", **more: str) -> Worker:
        """Start a worker as the page shows it, but for the addresses."""
        standin = self.openai if shown is OPENAI else self.local
        settings = shown.settings | {"OPENAI_BASE_URL": standin.base_url} | more
        options = tuple(shown.words[2:-1])
        [worker] = self.workers.start(module, folder=self.folder, options=options, **settings)
        return worker

    def start_both(self, module: str = "assistants") -> None:
        self.start(OPENAI, module)
        self.start(LOCAL, module)

    def assert_apart(self) -> None:
        """Assert that each provider was asked for its own model, in its own API."""
        assert {one.api for one in self.openai.requests} <= {"responses"}
        assert {one.api for one in self.local.requests} <= {"chat"}
        assert {one.body["model"] for one in self.openai.requests} <= {"gpt-5.4-mini"}
        assert {one.body["model"] for one in self.local.requests} <= {"qwen3-8b"}


@pytest.fixture
def fleet(redis_url: str, tmp_path: Path) -> Iterator[Fleet]:
    (tmp_path / "assistants.py").write_text(EXAMPLES[0])
    (tmp_path / "more.py").write_text(MORE)
    (tmp_path / "scales.py").write_text(OF_LOCAL_QUEUE)
    (tmp_path / "twins.py").write_text(TWINS)
    nobody = "http://127.0.0.1:9"  # a worker without settings of its own would ask it
    with (
        StandIn() as openai,
        StandIn() as local,
        isolated_environment(redis_url, local, "responses", OPENAI_BASE_URL=nobody),
        Workers(tmp_path) as workers,
    ):
        yield Fleet(workers, tmp_path, openai, local)


def said(standin: StandIn) -> str:
    """All that a provider was sent."""
    return str([one.body for one in standin.requests])


def ended(run: Run) -> Run:
    assert run.wait(30).status == "completed", run.last_error
    return run


def test_the_example_on_the_page_runs(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.start_both()
    variables: dict[str, Any] = {}
    fleet.local.brain = scripted(Reply([Call("stock", {"item": "apples"})]), "Twelve apples.")
    fleet.openai.brain = scripted("Dear customer")

    exec(compile(EXAMPLES[1], "providers.md", "exec"), variables)

    assert variables["run"].status == "completed"
    assert "Dear customer" in capsys.readouterr().out
    texts = [message.text for message in variables["thread"].get_messages()]
    assert texts[1::2] == ["Twelve apples.", "Dear customer"]
    assert (len(fleet.local.requests), len(fleet.openai.requests)) == (2, 1)
    assert "12 pieces of apples" in said(fleet.openai)  # the conversation is one
    fleet.assert_apart()


def test_many_runs_go_to_the_provider_of_their_assistant(fleet: Fleet) -> None:
    fleet.start_both("more")
    names = ["Clerk", "Writer", "Cashier"] * 4
    for run in [Assistant.load(name).enqueue(f"I am for {name}.") for name in names]:
        ended(run)
    assert (len(fleet.local.requests), len(fleet.openai.requests)) == (8, 4)
    fleet.assert_apart()


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_only_a_worker_of_the_right_provider_takes_a_run_over(fleet: Fleet, end: str) -> None:
    leaving = fleet.start(LOCAL)
    fleet.start(OPENAI)
    pause = Pause(2)
    fleet.local.brain = scripted(Reply([Text("Never said whole.")], pause=pause), "Twelve.")
    run = Assistant.load("Clerk").enqueue("How many?")
    wait_until(lambda: fleet.local.requests, "the run is under way")

    getattr(leaving, end)()
    wait_until(lambda: run.refresh().status == "queued", "the run was given back", 20)
    ended(Assistant.load("Writer").enqueue("Are you there?"))  # the other group works
    assert run.refresh().status == "queued"
    pause.end()

    successor = fleet.start(LOCAL)
    assert ended(run).text == "Twelve."
    assert run.worker == successor.name
    fleet.assert_apart()


def test_a_parked_run_goes_on_at_its_provider(fleet: Fleet) -> None:
    fleet.start_both("more")
    runs = [Assistant.load("Cashier").enqueue('call pay {"amount": 3}') for _ in range(4)]
    for run in runs:
        parked = wait_until(lambda run=run: run.refresh().required_action, "the run is parked", 20)
        run.approve(parked.tool_calls[0].id)
    for run in runs:
        ended(run)
    assert fleet.openai.requests == []
    fleet.assert_apart()


def test_a_tool_asks_an_assistant_of_the_other_provider(fleet: Fleet) -> None:
    fleet.start_both("more")
    fleet.local.brain = scripted(Reply([Call("ask_the_writer", {"text": "Dear?"})]), "It says so.")
    fleet.openai.brain = scripted("Dear customer")
    run = ended(Assistant.load("Cashier").enqueue("Ask the writer."))
    assert [call.output for step in run.steps for call in step.tool_calls] == ["Dear customer"]
    assert (len(fleet.local.requests), len(fleet.openai.requests)) == (2, 1)
    fleet.assert_apart()


def test_a_run_is_not_handed_over_to_the_other_group_for_its_tool(fleet: Fleet) -> None:
    # It has not loaded the scales, and soon stops to wait for a worker of its queue that has.
    fleet.start(LOCAL, THREADMILL_WORKER_WAIT_SECONDS="1.5")
    fleet.start(OPENAI, "scales")
    run = Assistant.load("Scales").enqueue('call weigh {"item": "tea"}').wait(30)
    assert run.status == "failed"
    assert run.last_error is not None
    assert "no live worker" in run.last_error.message
    assert "none has come within 1.5 s" in run.last_error.message
    assert fleet.openai.requests == []
    fleet.assert_apart()


def test_without_a_worker_of_its_queue_a_run_waits_and_says_so(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.start(OPENAI)
    run = Assistant(name="Nobody's", queue="local").enqueue("Hello?")
    forgotten = Assistant(name="Forgotten").enqueue("Hello?")
    with pytest.raises(errors.WaitTimeout):
        run.wait(6)
    assert any(
        run.id in line
        and "no worker takes runs from queue threadmill.local" in line
        and "threadmill worker --queue local MODULE" in line
        for line in caplog.messages
    )
    assert {run.refresh().status, forgotten.refresh().status} == {"queued"}
    assert fleet.openai.requests == []


def test_reasoning_and_hosted_calls_of_one_provider_do_not_go_to_the_other(fleet: Fleet) -> None:
    fleet.start_both()
    thread = Thread()
    writer, clerk = Assistant.load("Writer"), Assistant.load("Clerk")
    think, code = Reasoning("I think."), Code("print(6 * 7)", "42\n")
    fleet.openai.brain = scripted(Reply([think, code, Text("It is 42.")]), "As I said, 42.")
    fleet.local.brain = scripted("The writer says 42.", "Still 42.")

    for tools in ([CodeInterpreter], None, [CodeInterpreter], None):
        assistant = writer if tools else clerk
        ended(assistant.enqueue("What is six times seven?", thread=thread, tools=tools))

    to_local, to_openai = said(fleet.local), said(fleet.openai)
    for word in ("encrypted_content", "reasoning", "code_interpreter", "container"):
        assert word not in to_local
        assert word in to_openai
    assert "print(6 * 7)" in to_local  # told as text
    assert "The writer says 42." in to_openai
    fleet.assert_apart()


def test_nor_do_they_if_both_have_one_api_and_the_models_have_one_name(fleet: Fleet) -> None:
    for shown in (OPENAI, LOCAL):
        fleet.start(shown, "twins", THREADMILL_MODEL_API="responses")
    thread = Thread()
    think, code = Reasoning("I think."), Code("print(6 * 7)", "42\n")
    fleet.openai.brain = scripted(Reply([think, code, Text("It is 42.")]), "As I said, 42.")
    fleet.local.brain = scripted("Then it is 42.")

    for name in ("One", "Other", "One"):
        ended(Assistant.load(name).enqueue("What is six times seven?", thread=thread))

    [asked] = fleet.local.requests
    assert {item["type"] for item in asked.items} == {"message"}
    assert "print(6 * 7)" in str(asked.items)  # told as text
    again = {item["type"] for item in fleet.openai.requests[-1].items}
    assert {"reasoning", "code_interpreter_call"} < again
