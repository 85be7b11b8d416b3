"""How a run has ended is one line of a worker's log, and the state of its task in Flower.

All stories are played once, with real workers and a Flower that was started before them; each test
looks at one of them.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.environment import isolated_environment
from tests.support.paths import BOTS
from tests.support.processes.celery_client import say_task, send_tasks
from tests.support.processes.flower import Flower, running_flower
from tests.support.processes.worker import Worker
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import Call, Fault, Reply, StandIn, Text, by_text

SECRET = "zebra-9c1-said-by-a-user"
SILENCE = Fault.hang(2, reply=Reply([Text([f"{SECRET} "] * 20)]))
REFUND = Reply([Call("refund", {"order": 7})])
LEVELS = {
    "completed": "DEBUG",
    "incomplete": "INFO",
    "cancelled": "INFO",
    "failed": "WARNING",
    "expired": "WARNING",
}
PARKS = ("approved", "cancelled while parked", "expired while parked")
ANSWERS: dict[str, Any] = {
    "completed": "Done.",
    "incomplete": [Reply([Call("look_up", {"order": 1})])] * 9,
    "failed": Fault.status(400, message=f"No {SECRET}."),
    "expired": SILENCE,
    "cancelled while running": SILENCE,
    "cancelled while waiting": "Never said.",
    "in front": SILENCE,
    **{name: [REFUND, "Paid back."] for name in PARKS},
    "moved": [SILENCE, "Moved."],
    "taken over": [SILENCE, "Lived."],
}


@dataclass
class Story:
    """What was played, and what was to be seen of it."""

    flower: Flower
    folder: Path
    runs: dict[str, Run] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    doors: dict[str, str] = field(default_factory=dict)
    """Ids of the tasks that a service without threadmill has sent."""
    metrics: str = ""

    def start(self) -> Worker:
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(Worker(log, ("--log-level", "DEBUG", "careful"), BOTS, {}))
        self.workers[-1].wait_ready()
        return self.workers[-1]

    def say(self, name: str, thread: Thread | None = None) -> Run:
        self.runs[name] = Assistant.load("careful").enqueue(f"<{name}> {SECRET}", thread=thread)
        return self.runs[name]

    def log(self) -> str:
        return "".join(worker.log() for worker in self.workers)

    def ends(self, name: str) -> list[str]:
        """The lines of the workers' logs that tell how the run has ended."""
        line = rf"^.*{self.runs[name].id} (?:{'|'.join(LEVELS)}), .*$"
        return re.findall(line, self.log(), re.MULTILINE)

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """The run's tasks in Flower, in the order in which they came."""
        tasks = self.flower.tasks().items()
        found = [task for id, task in tasks if id.startswith(self.runs[name].id)]
        return sorted(found, key=lambda task: task["received"])

    def states(self, name: str) -> list[str]:
        return [task["state"] for task in self.tasks(name)]


@contextmanager
def setting(**settings: str) -> Iterator[None]:
    """Enqueue with other settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        close_client()
        yield
    close_client()


def wait_for(run: Run, event: str) -> None:
    assert any(one.event == event for one in run.events()), event


@pytest.fixture(scope="module")
def story(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder, url = tmp_path_factory.mktemp("ends"), redis_server.fresh_database()
    with (
        StandIn(by_text({f"<{name}>": ANSWERS[name] for name in ANSWERS})) as standin,
        isolated_environment(url, standin, "responses", THREADMILL_MODEL_RETRIES="0"),
        running_flower(folder) as flower,
    ):
        story = Story(flower, folder)
        try:
            play(story)
            yield story
        finally:
            for worker in story.workers:
                worker.kill()
            print(story.log())


def play(story: Story) -> None:
    wait_until(lambda: story.flower.ask("/workers")[0] == 200, "Flower without a worker")
    assert story.flower.ask("/api/workers?refresh=1")[0] == 200
    first = story.start()
    play_ends(story)
    play_parked(story)
    # A worker that is killed takes with it the events that it has not sent.
    wait_until(lambda: "FAILURE" in story.states("expired while parked"), "Flower shows it", 20)
    play_at_the_door(story)
    play_moved(story, first)
    for run in story.runs.values():
        run.wait(30)
    wait_until(lambda: all(map(story.ends, story.runs)), "a line for each end")
    wait_until(lambda: "STARTED" not in str(story.flower.tasks()), "all tasks have ended", 20)
    story.metrics = story.flower.ask("/metrics")[1]


def play_ends(story: Story) -> None:
    story.say("completed")
    story.say("failed")
    with setting(THREADMILL_MAX_TURNS="1"):
        story.say("incomplete").wait(20)
    with setting(THREADMILL_RUN_SECONDS="0.5"):
        story.say("expired")
    wait_for(story.say("cancelled while running"), "thread.message.delta")
    story.runs["cancelled while running"].cancel()
    thread = Thread()
    wait_for(story.say("in front", thread), "thread.message.delta")
    story.say("cancelled while waiting", thread).cancel()
    story.runs["in front"].cancel()


def play_parked(story: Story) -> None:
    with setting(THREADMILL_APPROVAL_SECONDS="0.5"):
        story.say("expired while parked")
    for name in ("approved", "cancelled while parked"):
        wait_for(story.say(name), "thread.run.requires_action")
    story.runs["cancelled while parked"].cancel()
    run = story.runs["approved"].refresh()
    assert run.required_action is not None
    run.approve(run.required_action.tool_calls[0].id)


def play_at_the_door(story: Story) -> None:
    wrong = {
        "unknown": {"assistant": "Cerberus", "message": SECRET},
        "mistyped": {"assistant": "careful", "message": SECRET, "options": {"temperature": SECRET}},
        "good": {"assistant": "careful", "message": "<completed>"},
    }
    story.doors = {name: str(uuid.uuid4()) for name in wrong}
    send_tasks(*(say_task(story.doors[name], **arguments) for name, arguments in wrong.items()))


def play_moved(story: Story, first: Worker) -> None:
    wait_for(story.say("moved"), "thread.message.delta")
    second = story.start()
    first.terminate()
    assert first.ends()
    story.runs["moved"].wait(20)
    wait_for(story.say("taken over"), "thread.message.delta")
    story.start()
    second.kill()


# ---- the log -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ANSWERS)
def test_each_end_is_one_line_with_all_that_names_the_run_and_nothing_that_was_said(
    story: Story, name: str
) -> None:
    run = story.runs[name]
    [line] = story.ends(name)
    assert f" {LEVELS[str(run.status)]} " in line
    assert f"{run.id} {run.status}, thread {run.thread_id}, assistant 'careful', " in line
    attempts = {"moved": 2, "taken over": 2, "approved": 2, "cancelled while waiting": 0}
    assert f" s, attempt {attempts.get(name, 1)}, " in line
    assert re.search(r", \d+\.\d{3} s, ", line)
    assert re.search(r", \d+ tokens", line)
    assert SECRET not in line


def test_the_line_of_a_failed_run_has_code_and_name_of_its_error(story: Story) -> None:
    [line] = story.ends("failed")
    assert ", error invalid_prompt ModelRefused  " in line
    [line] = story.ends("expired")
    assert ", error server_error deadline: The run did not end in time (THREADMILL_RUN" in line
    [line] = story.ends("expired while parked")
    assert ", error server_error deadline: Nobody approved or rejected refund (call_" in line
    [line] = story.ends("completed")
    assert "error" not in line


def test_the_tokens_of_a_completed_run_are_in_its_line(story: Story) -> None:
    run = story.runs["completed"]
    assert run.usage is not None
    assert f", {run.usage.total_tokens} tokens" in story.ends("completed")[0]


def test_a_refused_message_is_logged_with_the_assistant_and_what_was_wrong(story: Story) -> None:
    lines = [line for line in story.log().splitlines() if "was refused" in line]
    [unknown] = [line for line in lines if story.doors["unknown"] in line]
    assert "assistant 'Cerberus'" in unknown
    assert "AssistantNotFound: There is no assistant 'Cerberus'" in unknown
    [mistyped] = [line for line in lines if story.doors["mistyped"] in line]
    assert "assistant 'careful'" in mistyped
    assert "temperature is not valid" in mistyped
    assert SECRET not in "".join(lines)


# ---- Flower --------------------------------------------------------------------------------------

STATES = {
    "completed": ["SUCCESS"],
    "incomplete": ["SUCCESS"],
    "failed": ["FAILURE"],
    "expired": ["FAILURE"],
    "cancelled while running": ["REVOKED"],
    "cancelled while waiting": ["REVOKED"],
    "in front": ["REVOKED"],
    "approved": ["RETRY", "SUCCESS"],
    "cancelled while parked": ["RETRY", "REVOKED"],
    "expired while parked": ["RETRY", "FAILURE"],
    "moved": ["RETRY", "SUCCESS"],
    "taken over": ["RETRY", "SUCCESS"],
}


@pytest.mark.parametrize("name", STATES)
def test_flower_shows_what_became_of_a_run_in_each_of_its_tasks(story: Story, name: str) -> None:
    wait_until(lambda: story.states(name) == STATES[name], f"{STATES[name]}")
    run = story.runs[name]
    for task in story.tasks(name):
        assert task["name"] == "say careful"
        shown = {"thread": run.thread_id, "run": run.id, "assistant": "careful"}
        assert task["kwargs"] == str(shown)
        assert re.fullmatch(rf"{run.id}\.\d\.[0-9a-f]{{8}}", task["uuid"])


def test_flower_shows_code_and_name_of_an_error_as_the_exception(story: Story) -> None:
    assert story.tasks("failed")[0]["exception"] == "ModelRefused('invalid_prompt')"
    assert story.tasks("expired")[0]["exception"] == "deadline('server_error')"
    assert story.tasks("expired while parked")[1]["exception"] == "deadline('server_error')"
    assert story.tasks("moved")[0]["exception"] == "given back"
    assert story.tasks("taken over")[0]["exception"] == "taken over"
    assert story.tasks("approved")[0]["exception"] == "parked"


def test_a_refused_message_has_failed_in_flower_and_a_good_one_names_its_run(story: Story) -> None:
    tasks = story.flower.tasks()
    refused = tasks[story.doors["unknown"]]
    assert (refused["state"], refused["exception"]) == ("FAILURE", "AssistantNotFound('refused')")
    assert tasks[story.doors["mistyped"]]["state"] == "FAILURE"
    good = tasks[story.doors["good"]]
    assert good["state"] == "SUCCESS"
    assert re.fullmatch(r"'run_[0-9a-f]{32}'", good["result"])


def test_flowers_filters_and_search_find_runs_by_outcome_assistant_and_thread(story: Story) -> None:
    run = story.runs["failed"]
    for query in ("state=FAILURE", "taskname=say%20careful", f"search={run.thread_id}"):
        status, found = story.flower.ask(f"/api/tasks?{query}")
        assert (status, run.id in found) == (200, True), query
    assert run.id not in story.flower.ask("/api/tasks?state=SUCCESS")[1]


def test_flowers_metrics_count_the_outcomes_and_ask_for_the_password(story: Story) -> None:
    def count(event: str) -> int:
        pattern = rf'flower_events_total{{task="say careful",type="{event}",worker="[^"]+"}} (\d+)'
        return sum(map(int, re.findall(pattern, story.metrics)))

    assert count("task-failed") == sum(states.count("FAILURE") for states in STATES.values())
    assert count("task-revoked") == sum(states.count("REVOKED") for states in STATES.values())
    assert count("task-retried") == sum(states.count("RETRY") for states in STATES.values())
    assert 'task="threadmill.execute"' not in story.metrics
    assert story.flower.ask("/metrics", credential="operator:wrong")[0] == 401
    assert story.flower.ask("/metrics", credential="")[0] == 401


def test_a_flower_that_was_started_before_the_workers_logs_no_error(story: Story) -> None:
    log = (story.folder / "flower.log").read_text()
    assert not [line for line in log.splitlines() if re.match(r"\[[EW] ", line)]
    assert SECRET not in log
