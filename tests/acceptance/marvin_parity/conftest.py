"""The page's examples as scripts, each of which is played in two settings.

Embedded, a script brings its own server and worker. Remote, separate worker processes execute its
runs, and have never seen it. A test is named after the row of the page that it plays.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.environment import embedded_environment, isolated_environment, stretched
from tests.support.processes.interactive import InteractiveProcess
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import Answer, Request, StandIn, converse

ANNOUNCEMENT = (
    "threadmill: embedded server and worker, data in ./.threadmill/ "
    "(set THREADMILL_REDIS_URL to use your own)"
)


@pytest.fixture(scope="module", params=["embedded", "remote"])
def setting(request: pytest.FixtureRequest) -> str:
    """Where the scripts' runs are executed."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def lasting_provider() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture
def provider(lasting_provider: StandIn) -> StandIn:
    """The provider, as if nobody had asked it anything; it tells its instructions if asked to."""
    lasting_provider.brain = _answer
    lasting_provider.forget()
    return lasting_provider


def _answer(request: Request) -> Answer | str:
    is_asked = request.last_user_text == "instructions?"
    return request.instructions or "none" if is_asked else converse(request)


@pytest.fixture(scope="module")
def environment(
    setting: str,
    redis_server: RedisServer,
    lasting_provider: StandIn,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The environment of the scripts."""
    url = redis_server.fresh_database()
    with (
        isolated_environment(url, lasting_provider, "responses"),
        Workers(tmp_path_factory.mktemp("workers")) as workers,
    ):
        if setting == "remote":
            workers.start("bot", 2)
            yield dict(os.environ)
        else:
            yield embedded_environment()


FAILED_RUN = re.compile(r"run_[0-9a-f]{32} failed, thread .*")


@dataclass(frozen=True)
class Play:
    """Plays scripts in a folder of their own, with warnings as errors."""

    folder: Path
    environment: dict[str, str]
    setting: str

    def __call__(self, source: str, *arguments: str) -> list[str]:
        """Play a script to its end; the lines that it has printed."""
        ended = subprocess.run(
            [*self._command(source), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=stretched(60),
            check=False,
        )
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        # A worker in the script's process logs what every worker logs of a run that fails.
        told = [line for line in ended.stderr.splitlines() if not FAILED_RUN.fullmatch(line)]
        assert told == self.announced()
        return ended.stdout.splitlines()

    def in_terminal(self, source: str) -> str:
        """Play a script to its end in a terminal; what is to be seen there."""
        with InteractiveProcess(
            *self._command(source), folder=self.folder, environment=self.environment
        ) as terminal:
            assert terminal.ends(stretched(60)) == 0, terminal.text()
            return terminal.text()

    def announced(self) -> list[str]:
        """All that a script tells on stderr."""
        return [ANNOUNCEMENT] if self.setting == "embedded" else []

    def _command(self, source: str) -> list[str]:
        (self.folder / "script.py").write_text(textwrap.dedent(source))
        return [sys.executable, "-W", "error", "script.py"]


@pytest.fixture
def play(
    setting: str, environment: dict[str, str], provider: StandIn, tmp_path: Path
) -> Iterator[Play]:
    yield Play(tmp_path, environment, setting)
    if (tmp_path / FOLDER).is_dir():
        end_server(tmp_path / FOLDER)
