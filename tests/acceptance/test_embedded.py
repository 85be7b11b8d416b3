"""Scripts without any setting: killed and started again, side by side, and what is left of them.

Most of these stories wait for something to expire, so all are under way at the same time, each in a
folder of its own; each test looks at one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.support.environment import embedded_environment, isolated_environment, stretched
from tests.support.processes.commands import COMMAND, run_command
from tests.support.processes.script import Script
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import Answer, Call, Record, Reply, StandIn, Text, by_text

pytestmark = [pytest.mark.any_api, pytest.mark.timeout(300)]


LEFT_SECONDS = 20
"""How long after the last script of a folder a process of it may be left."""


@dataclass(frozen=True)
class Stage:
    """Where a story is played."""

    folder: Path
    standin: StandIn

    def start(self, script: str, *arguments: str) -> Script:
        return Script.of_file(
            script, *arguments, folder=self.folder, environment=embedded_environment()
        )

    def request(self, text: str) -> Record | None:
        """The provider's newest request with this text of the user."""
        found = [record for record in self.standin.requests if record.user_text == text]
        return found[-1] if found else None

    def wait_for_tokens(self, text: str) -> None:
        """Until the model's answer to this is under way."""
        wait_until(
            lambda: (request := self.request(text)) and len(request.token_times) > 3,
            "an answer has begun",
            stretched(30),
        )


# ---- the stories -----------------------------------------------------------------------------

SLOW = Reply([Text(["never "] * 500)], delay=0.05)
BRAIN: dict[str, Answer | str | list[Answer | str]] = {
    "One": "First.",
    "Two": "Second.",
    "Slow": [SLOW, "Second."],
    "Own": [SLOW, Reply([Call("who")]), "Never."],
    "Three": "Third.",
    "Pay back": [Reply([Call("refund", {"order": 7})]), "It is done."],
}


def killed_between_two_says(stage: Stage) -> list[str]:
    killed = stage.start("who", "a")
    assert killed.line() == "ready"
    stage.start("notes", "One").finish(stretched(60)).splitlines()
    killed.kill()
    return stage.start("notes", "Two").finish(stretched(60)).splitlines()


def killed_in_a_say(stage: Stage) -> list[str]:
    stage.start("notes", "One").finish(stretched(60)).splitlines()
    killed = stage.start("notes", "Slow")
    stage.wait_for_tokens("Slow")
    killed.kill()
    return stage.start("notes", "Three").finish(stretched(60)).splitlines()


def killed_with_functions_of_its_own(stage: Stage) -> list[str]:
    killed = stage.start("own", "ada", "Own")
    stage.wait_for_tokens("Own")
    killed.kill()
    return stage.start("own", "grace", "call who {}").finish(stretched(60)).splitlines()


def two_at_once(stage: Stage) -> list[str]:
    scripts = [stage.start("who", name) for name in ("ada", "grace")]
    assert {script.line() for script in scripts} == {"ready"}
    for script in scripts:
        script.write()
    lines = [script.line() for script in scripts]
    for script in scripts:
        script.write()
        script.finish(stretched(60)).splitlines()
    return lines


def ended(stage: Stage) -> list[str]:
    stage.start("notes", "One").finish(stretched(60)).splitlines()
    assert processes_of(stage.folder), "the server goes on for a while"
    wait_until(lambda: not processes_of(stage.folder), "nothing is left", LEFT_SECONDS)
    return []


def approved_by_another_process(stage: Stage) -> list[str]:
    script = stage.start("approve")
    words = (*COMMAND, "approve", script.line())
    run_command(*words, folder=stage.folder, environment=embedded_environment()).check_returncode()
    return script.finish(stretched(60)).splitlines()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that were started in the folder or for it."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, folder)]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in " ".join([process.cwd(), *process.cmdline()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


STORIES: list[Callable[[Stage], list[str]]] = [
    ended,
    killed_in_a_say,
    killed_with_functions_of_its_own,
    two_at_once,
    killed_between_two_says,
    approved_by_another_process,
]
AT_ONCE = 2
"""More would only wait for a processor, which other test processes use too."""
Outcomes = dict[str, Future[list[str]]]


@pytest.fixture(scope="module")
def outcomes(
    api: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcomes]:
    """What each story has come to."""
    folders = {story: tmp_path_factory.mktemp(story.__name__) for story in STORIES}
    with (
        StandIn(by_text(BRAIN)) as standin,
        isolated_environment(redis_server.fresh_database(), standin, api),
        ThreadPoolExecutor(AT_ONCE) as executor,
    ):
        yield {
            story.__name__: executor.submit(story, Stage(folder, standin))
            for story, folder in folders.items()
        }
    with ThreadPoolExecutor(len(STORIES)) as executor:
        list(executor.map(end_server, [folder / FOLDER for folder in folders.values()]))


# ---- what they come to -----------------------------------------------------------------------


def test_a_script_that_was_killed_between_two_says_finds_its_data_again(outcomes: Outcomes) -> None:
    assert outcomes["killed_between_two_says"].result() == [
        *("user: One", "assistant: First."),
        *("user: Two", "assistant: Second."),
    ]


def test_a_script_that_was_killed_while_it_said_something_leaves_a_thread_that_goes_on(
    outcomes: Outcomes,
) -> None:
    assert outcomes["killed_in_a_say"].result() == [
        *("user: One", "assistant: First."),
        *("user: Slow", "assistant: Second."),
        *("user: Three", "assistant: Third."),
    ]


def test_the_functions_of_a_killed_script_are_not_looked_for_in_the_next_one(
    outcomes: Outcomes,
) -> None:
    assert outcomes["killed_with_functions_of_its_own"].result() == [
        *("user: Own", "user: call who {}", "assistant: who answered: grace."),
        "['ToolNotFound', 'completed']",
    ]


def test_two_scripts_in_one_folder_never_execute_each_others_functions(outcomes: Outcomes) -> None:
    times = []
    for name, line in zip(("ada", "grace"), outcomes["two_at_once"].result(), strict=True):
        began, ended, *told = line.split("|")
        times.append((float(began), float(ended)))
        assert told == [f"who answered: {name}."]
    (first_began, first_ended), (second_began, second_ended) = times
    assert max(first_began, second_began) < min(first_ended, second_ended), "not at the same time"


def test_a_run_that_another_process_approved_goes_on_at_once_and_not_after_it_is_missed(
    outcomes: Outcomes,
) -> None:
    assert outcomes["approved_by_another_process"].result() == ["It is done."]


def test_nothing_of_a_folder_is_left_soon_after_its_last_script(outcomes: Outcomes) -> None:
    outcomes["ended"].result()
