"""`threadmill demo` in a pipe: what it prints, how it ends, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest
from tests.support.waiting import wait_until

from threadmill.testing import Pause, Reply, StandIn, Text

pytestmark = pytest.mark.apart

SECONDS = 60
"""For a machine that is busy with other things; on an idle one it takes six."""


class Demo:
    """A demo, known by a mark that all its processes inherit, detached ones too."""

    def __init__(self, **settings: str) -> None:
        # Not below pytest's folders: the path of a socket may not be long.
        self._folder = tempfile.TemporaryDirectory()
        self._mark = str(uuid.uuid4())
        prefixes = ("THREADMILL_", "OPENAI_")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
        marks = {"DEMO_MARK": self._mark, "TMPDIR": self._folder.name}
        self.process = subprocess.Popen(
            [str(Path(sys.executable).parent / "threadmill"), "demo"],
            env={**plain, **marks, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.terminate()
        self._folder.cleanup()

    def finish(self) -> tuple[int, str, str]:
        """Its exit code and its output, once it has ended and has left nothing behind."""
        output, errors = self.process.communicate(timeout=SECONDS)
        wait_until(lambda: not self._processes(), "no process is left", 5)
        left = [path for path in Path(self._folder.name).rglob("*") if not path.is_dir()]
        assert left == []
        return self.process.returncode, output, errors

    def read_until(self, words: str) -> None:
        assert self.process.stdout is not None
        assert any(words in line for line in self.process.stdout)

    def _processes(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("DEMO_MARK") == self._mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


@pytest.fixture
def user_settings() -> dict[str, str]:
    """What a user may have set for a Redis in use; the demo must not go there."""
    nowhere = "redis://127.0.0.1:1/0"
    return {"THREADMILL_REDIS_URL": nowhere, "THREADMILL_BROKER_URL": nowhere}


def positions(text: str, *patterns: str) -> Iterator[int]:
    for pattern in patterns:
        found = re.search(pattern, text, re.MULTILINE)
        assert found is not None, f"{pattern!r} is not in:\n{text}"
        yield found.start()


def test_the_demo_plays_by_itself_and_leaves_nothing(user_settings: dict[str, str]) -> None:
    began = time.monotonic()
    with Demo(**user_settings) as demo:
        code, output, errors = demo.finish()
    assert (code, errors) == (0, "")
    in_order = list(
        positions(
            output,
            r"^model +a stand-in at http://127\.0\.0\.1:\d+/v1",
            r"^    def roll_dice\(n_dice: int\) -> list\[int\]:$",
            r"^workers +\S+:\d+ and \S+:\d+$",
            r"^User: Hello!$",
            r"^Marvin: Hello!",
            r"^User: Please roll two dice$",
            r"^User: Actually--roll five dice$",
            r'roll_dice\(\{"n_dice": 5\}\) -> \[\d,\d,\d,\d,\d\]$',
            r"^Marvin: I rolled five dice: ",
            r"^✓ the thread is in order$",
            r"^ +\d\.\d\d s  (Ada|Grace) +> ",
            r"^✓ the two conversations took turns$",
            r"^\$ threadmill tail run_\w{32}$",
            r"^ +1  [\d:.]+  thread\.run\.created ",
            r"^ +\d+  [\d:.]+  done$",
            r"^6 runs on 3 threads, executed by .* in \d+\.\d s\.$",
        )
    )
    assert in_order == sorted(in_order)
    assert output.count("✓") == 7
    assert "\x1b" not in output
    assert not re.search(r" $", output, re.MULTILINE)
    assert time.monotonic() - began < SECONDS


def test_the_demo_talks_to_the_provider_that_is_set(user_settings: dict[str, str]) -> None:
    settings = {"THREADMILL_MODEL": "mine", **user_settings}
    with StandIn() as provider, Demo(OPENAI_BASE_URL=provider.base_url, **settings) as demo:
        code, output, errors = demo.finish()
        models = {record.body["model"] for record in provider.requests}
    assert (code, errors) == (0, "")
    assert re.search(r"^model +mine at http://127\.0\.0\.1:\d+/v1$", output, re.MULTILINE)
    assert models == {"mine"}
    assert "✓" not in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_ended_early_leaves_nothing(number: int, code: int) -> None:
    endless = Reply([Text("Hello! How are you?")], pause=Pause(after_tokens=2))
    with StandIn(lambda _: endless) as provider, Demo(OPENAI_BASE_URL=provider.base_url) as demo:
        demo.read_until("User: Hello!")
        demo.process.send_signal(number)
        ended, _, errors = demo.finish()
    assert ended == code
    assert "Traceback" not in errors
