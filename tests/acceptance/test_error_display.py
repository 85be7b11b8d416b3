"""What a script shows that makes a mistake: its own lines, two of ours, and what to do."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from tests.support.processes.commands import COMMAND, STRICT, run_command
from tests.support.processes.worker import Workers
from tests.support.servers.ports import free_port

from threadmill.testing import StandIn

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)

SCRIPT = """
import asyncio
from threadmill import Assistant, EventHandler
def main():
    {body}
main()
"""
MISTAKES = {
    "a template that cannot be read": (
        'Assistant(name="a", instructions="Hi {{ name").say("Hello")',
        "BadTemplate: Line 1 of the instructions cannot be read as a template",
    ),
    "a template that lacks a value": (
        'Assistant(name="a", instructions="Hi {{ name }}").say("Hello")',
        "BadTemplate: Line 1 of the instructions: 'name' is undefined",
    ),
    "one that is awaited": (
        'asyncio.run(Assistant(name="a", instructions="{{ name }}").say_async("Hello"))',
        "BadTemplate: Line 1 of the instructions: 'name' is undefined",
    ),
    "an assistant that nobody has": (
        'Assistant.load("nobody")',
        "AssistantNotFound: There is no assistant 'nobody'",
    ),
}


def show(body: str, folder: Path, **settings: str) -> list[str]:
    """The traceback of a script, by lines."""
    script = folder / "script.py"
    script.write_text(SCRIPT.replace("{body}", body))
    ended = run_command(*STRICT, str(script), folder=folder, environment=os.environ | settings)
    assert ended.returncode == 1
    print(ended.stderr)
    return ended.stderr.splitlines()


def frames(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("  File ")]


def assert_brief(lines: list[str], words: str) -> None:
    assert words in lines[-1]
    assert lines.count("Traceback (most recent call last):") == 1
    assert len([line for line in frames(lines) if re.search(r"/threadmill(_\w+)?/", line)]) == 2
    assert len([line for line in frames(lines) if "script.py" in line]) == 2


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_shows_the_scripts_lines_and_two_of_ours(
    mistake: str, environment: None, tmp_path: Path
) -> None:
    body, words = MISTAKES[mistake]
    assert_brief(show(body, tmp_path), words)


def test_a_redis_that_is_away_shows_no_error_of_its_client(
    environment: None, tmp_path: Path
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    lines = show('Assistant.load("nobody")', tmp_path, THREADMILL_REDIS_URL=url)
    assert_brief(lines, "StoreUnavailable: Redis cannot be reached")


def test_an_error_in_a_handler_keeps_the_handlers_lines(
    workers: Workers, standin: StandIn, tmp_path: Path
) -> None:
    standin.brain = lambda _: "Hello."
    workers.start("bot")
    handler = 'type("H", (EventHandler,), {"on_begin": lambda *_: Assistant.load("no")})'
    lines = show(f'Assistant(name="a").say("Hello", event_handler_class={handler})', tmp_path)
    assert "AssistantNotFound" in "\n".join(lines)
    assert [line for line in frames(lines) if "in <lambda>" in line]


MODULE = "from threadmill import Assistant\nAssistant(name='a', instructions='{{').say('Hi')\n"


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_bad_template_in_a_workers_module_is_three_lines(
    format: str, environment: None, tmp_path: Path
) -> None:
    (tmp_path / "mistaken.py").write_text(MODULE)
    settings = os.environ | {"THREADMILL_LOG_FORMAT": format}
    done = run_command(*COMMAND, "worker", "mistaken", folder=tmp_path, environment=settings)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    if format == "json":
        place, mistake = map(json.loads, lines)
        assert "Assistant(name='a'" in place["traceback"]
        assert "cannot start: Line 1 of the instructions" in mistake["message"]
        return
    assert len(lines) == 3
    assert "mistaken.py" in lines[0]
    assert "Assistant(name='a'" in lines[1]
    assert lines[2].startswith("Error: Line 1 of the instructions cannot be read")


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_missing_key_is_one_line(format: str, environment: None, tmp_path: Path) -> None:
    settings = {**os.environ, "THREADMILL_LOG_FORMAT": format}
    del settings["OPENAI_API_KEY"], settings["OPENAI_BASE_URL"]
    done = run_command(*COMMAND, "worker", "mistaken", folder=tmp_path, environment=settings)
    [line] = done.stderr.splitlines()
    assert "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set" in line
    assert line.startswith('{"time": ' if format == "json" else "Error: ")


@pytest.mark.parametrize("format", ["console", "json"])
def test_a_module_that_raises_shows_its_own_lines_only(
    format: str, environment: None, tmp_path: Path
) -> None:
    body = "try:\n    1 / 0\nexcept ArithmeticError:\n    {}['x']\n"
    (tmp_path / "raising.py").write_text(body)
    settings = os.environ | {"THREADMILL_LOG_FORMAT": format}
    done = run_command(*COMMAND, "worker", "raising", folder=tmp_path, environment=settings)
    shown = done.stderr
    if format == "json":
        shown = json.loads(done.stderr.splitlines()[0])["traceback"]
    assert [line for line in frames(shown.splitlines()) if "raising.py" not in line] == []
    assert shown.count("Traceback") == 1
    assert "KeyError: 'x'" in shown
    assert "During handling" not in shown
