"""Scripts without any setting: killed and started again, side by side, and what is left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.acceptance.surroundings import embedded_environment
from tests.waiting import wait_until

from threadmill.embedded_server import FOLDER, end_server
from threadmill.testing import Call, Reply, StandIn, Text, by_text

SCRIPTS = Path(__file__).parent / "scripts"
LEFT_SECONDS = 20
"""How long after the last script of a folder a process of it may be left."""


class Script:
    """A script in a folder, as a process that can be killed."""

    def __init__(self, folder: Path, name: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(SCRIPTS / f"{name}.py"), *arguments],
            cwd=folder,
            env=embedded_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def output(self, timeout: float = 40) -> str:
        """Wait for its end in order."""
        try:
            output, errors = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running: {self.process.communicate()}") from None
        assert self.process.returncode == 0, errors
        return output


@pytest.fixture
def home(environment: None, tmp_path: Path) -> Iterator[Path]:
    """The folder in which scripts are started."""
    yield tmp_path
    end_server(tmp_path / FOLDER)


def said(folder: Path, text: str) -> list[str]:
    """What is in the thread once a new start of the script has said this."""
    return Script(folder, "notes", text).output().splitlines()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that were started in the folder or for it."""
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, folder)]


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in " ".join([process.cwd(), *process.cmdline()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def test_a_script_that_was_killed_between_two_says_finds_its_data_again(
    home: Path, standin: StandIn
) -> None:
    standin.brain = by_text({"One": "First.", "Two": "Second."})
    killed = Script(home, "who", "a")
    assert killed.line() == "ready"
    said(home, "One")
    killed.kill()

    assert said(home, "Two") == [
        "user: One",
        "assistant: First.",
        "user: Two",
        "assistant: Second.",
    ]


def test_a_script_that_was_killed_while_it_said_something_leaves_a_thread_that_goes_on(
    home: Path, standin: StandIn
) -> None:
    slow = Reply([Text(["never "] * 500)], delay=0.05)
    standin.brain = by_text({"One": "First.", "Two": [slow, "Second."], "Three": "Third."})
    said(home, "One")
    killed = Script(home, "notes", "Two")
    standin.wait_until(lambda requests: len(requests[-1].token_times) > 3, timeout=20)
    killed.kill()

    assert said(home, "Three") == [
        *("user: One", "assistant: First."),
        *("user: Two", "assistant: Second."),
        *("user: Three", "assistant: Third."),
    ]


def test_the_functions_of_a_killed_script_are_not_looked_for_in_the_next_one(
    home: Path, standin: StandIn
) -> None:
    slow = Reply([Text(["never "] * 500)], delay=0.05)
    standin.brain = by_text({"Two": [slow, Reply([Call("who")]), "Never."]})
    killed = Script(home, "own", "ada", "Two")
    standin.wait_until(lambda requests: any(r.token_times for r in requests), timeout=20)
    killed.kill()

    assert Script(home, "own", "grace", "call who {}").output().splitlines() == [
        *("user: Two", "user: call who {}", "assistant: who answered: grace."),
        "['ToolNotFound', 'completed']",
    ]


def test_two_scripts_in_one_folder_never_execute_each_others_functions(home: Path) -> None:
    scripts = {name: Script(home, "who", name) for name in ("ada", "grace")}
    assert {script.line() for script in scripts.values()} == {"ready"}
    for script in scripts.values():
        script.go_on()
    times = []
    for name, script in scripts.items():
        began, ended, *told = script.line().split("|")
        times.append((float(began), float(ended)))
        assert told == [f"who answered: {name}."]
        script.go_on()
        script.output()

    (first_began, first_ended), (second_began, second_ended) = times
    assert max(first_began, second_began) < min(first_ended, second_ended), "not at the same time"


@pytest.mark.parametrize("api", ["responses"])  # nothing here depends on it
def test_nothing_of_a_folder_is_left_soon_after_its_last_script(home: Path) -> None:
    said(home, "Hello!")
    assert processes_of(home), "the server goes on for a while"

    wait_until(lambda: not processes_of(home), "no process of the folder is left", LEFT_SECONDS)
