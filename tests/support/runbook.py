"""docs/runbook.md: its sections, and an operator who executes their commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from tests.support.pages import page
from tests.support.paths import BOTS
from tests.support.processes.console import Shown
from tests.support.processes.worker import Worker, Workers
from tests.support.waiting import wait_until

LOOK_SECONDS = 20.0
"""Workers say every 5 s what they are doing, and a command takes a second on a busy machine."""
PAUSE_SECONDS = 0.5
"""Between two executions of a command: each takes half a second of a processor."""
PARTS = ("Look", "Cause", "Cure", "Afterwards")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANY = "…"


@dataclass(frozen=True)
class Command:
    """A command of the page, and the lines of its output that the page shows."""

    line: str
    shown: tuple[str, ...]

    @classmethod
    def all_of(cls, block: str) -> Iterator[Command]:
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, *shown = part.strip().splitlines()
            yield cls(line, tuple(one for one in shown if one.strip(f" {_ANY}")))


@dataclass(frozen=True)
class Section:
    """One incident."""

    title: str
    text: str

    @property
    def anchor(self) -> str:
        return re.sub(r"[^\w -]", "", self.title).lower().replace(" ", "-")

    @property
    def test(self) -> str:
        """The name of the test that executes it."""
        return f"test_{self.anchor.replace('-', '_')}"

    def part(self, name: str) -> str:
        """What stands behind `**Look.**`, for example; empty if the section has no such part."""
        parts = re.split(rf"^\*\*({'|'.join(PARTS)})\.\*\*", self.text, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True)).get(name, "")

    def commands(self, part: str) -> list[Command]:
        blocks = _BLOCK.findall(self.part(part))
        return [one for kind, text in blocks if kind == "console" for one in Command.all_of(text)]

    @property
    def logged(self) -> list[str]:
        """The log lines that it shows."""
        return [one for one in self.looks() if isinstance(one, str)]

    def looks(self) -> list[Command | str]:
        """The commands and the log lines of its first part, in their order."""
        found: list[Command | str] = []
        for kind, text in _BLOCK.findall(self.part("Look")):
            found += Command.all_of(text) if kind == "console" else text.splitlines()
        return found


@cache
def sections() -> dict[str, Section]:
    """The incidents of the page, by the name of their test."""
    _, *rest = re.split(r"^### (.*)\n", page("runbook"), flags=re.MULTILINE)
    found = [
        Section(one, text.partition("\n## ")[0])
        for one, text in zip(rest[::2], rest[1::2], strict=True)
    ]
    return {one.test: one for one in found}


class Operator:
    """Executes what a section of the page says."""

    def __init__(self, section: Section, workers: Workers) -> None:
        self.section = section
        self.started: list[Worker] = []
        """The workers that were started as the cure says."""
        self.folder = BOTS
        """Where the commands are executed, and workers find their modules."""
        self._workers = workers
        self._instead: dict[str, Callable[[], object]] = {}

    def instead(self, line: str, act: Callable[[], object]) -> None:
        """Do this where the page has a command that needs another machine than this one."""
        assert any(line == one.line for one in self.section.commands("Cure"))
        self._instead[line] = act

    def look(self, log: Callable[[], str] | None = None, **replaced: str) -> None:
        """Do what the page says, in its order.

        Wait for log lines, and execute commands until they print what the page shows.
        """
        assert bool(self.section.logged) == bool(log), "its log lines are to be seen"
        looks = self.section.looks()
        assert looks, "a section has something to look at"
        for one in looks:
            if isinstance(one, Command):
                self._see(one, replaced)
            else:
                words = _pattern(one, replaced)
                wait_until(partial(_is_logged, log, words), f"logged: {one}", LOOK_SECONDS)

    def see(self, line: str, *shown: str) -> None:
        """Execute a command until it prints lines like these."""
        self._see(Command(line, shown), {})

    def cure(self, **replaced: str) -> None:
        """Execute the commands of the cure; a worker goes on to the end of the test."""
        for command in self.section.commands("Cure"):
            if act := self._instead.pop(command.line, None):
                act()
                continue
            line = _replace(command.line, replaced)
            if " worker " in line:
                self._start(Shown.read(line))
            elif command.shown:
                self._see(command, replaced)
            else:
                done = self.execute(line)
                assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert not self._instead

    def _start(self, shown: Shown) -> None:
        _, _, *options, module = shown.words
        more = {"options": tuple(options), "folder": self.folder, **shown.settings}
        self.started += self._workers.start(module, **more)

    def _see(self, command: Command, replaced: dict[str, str]) -> None:
        line = _replace(command.line, replaced)
        wanted = [_pattern(one, replaced) for one in command.shown]
        last: list[str] = []

        def is_shown() -> bool:
            if last:
                time.sleep(PAUSE_SECONDS)
            done = self.execute(line)
            last[:] = [done.stdout + done.stderr]
            return all(one.search(_plain(last[0])) for one in wanted)

        try:
            wait_until(is_shown, "", LOOK_SECONDS)
        except AssertionError:
            raise AssertionError(f"$ {line}\n{last[0]}\nhas not {command.shown}") from None
        print(f"$ {line}\n{last[0]}")  # pytest shows it if the test fails

    def execute(self, line: str) -> subprocess.CompletedProcess[str]:
        """Execute a command in a shell, with the settings of the test."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _is_logged(log: Callable[[], str] | None, words: re.Pattern[str]) -> bool:
    return log is not None and bool(words.search(_plain(log())))


def _replace(text: str, replaced: dict[str, str]) -> str:
    for name, value in replaced.items():
        text = re.sub(rf"\b{name}\b", lambda _, to=value: to, text)
    return text


def _pattern(line: str, replaced: dict[str, str]) -> re.Pattern[str]:
    """Matches a line that has these words; `…` stands for anything, a space for any number."""
    words = _plain(_replace(line, replaced)).strip()
    return re.compile(".*?".join(re.escape(part) for part in re.split(f" *{_ANY} *", words)))


def _plain(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)
