"""The API as scripts use it: sync and async, plain, in a loop, in threads, after a fork.

Each is a script of its own (see the folder `scripts`), run as a process: against a worker process,
and without any setting, where it brings its own server and worker.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.environment import embedded_environment, isolated_environment, stretched
from tests.support.paths import SCRIBE, SCRIPTS
from tests.support.processes.commands import STRICT, run_command
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill.embedded.server import FOLDER, end_server
from threadmill.testing import StandIn

pytestmark = pytest.mark.any_api


SPEAKERS = {
    "plain": ["main"],
    "in_a_loop": ["main"],
    "two_threads": ["first", "second"],
    "after_a_fork": ["child", "parent"],
}
"""Who says three times, by script."""
ANNOUNCEMENT = (
    "threadmill: embedded server and worker, data in ./.threadmill/ "
    "(set THREADMILL_REDIS_URL to use your own)\n"
)
LIMIT_SECONDS = 10
AT_ONCE = 2
"""Scripts that run at the same time."""


@dataclass(frozen=True)
class Outcome:
    """A script that has ended."""

    code: int
    output: str
    errors: str
    seconds: float
    limit: float


def play_script(name: str, folder: Path, environment: dict[str, str]) -> Outcome:
    began = time.monotonic()
    script = str(SCRIPTS / f"{name}.py")
    ended = run_command(*STRICT, script, folder=folder, environment=environment)
    seconds = time.monotonic() - began
    return Outcome(ended.returncode, ended.stdout, ended.stderr, seconds, stretched(LIMIT_SECONDS))


@pytest.fixture(scope="module")
def outcomes(
    api: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[Outcome]]]:
    """What became of each script, by its name and where it ran; they are all under way."""
    folder = tmp_path_factory.mktemp(api)
    names = [f"{way}_{place}" for way in ("sync", "async") for place in SPEAKERS]
    with (
        StandIn() as standin,
        isolated_environment(redis_server.fresh_database(), standin, api),
        Workers(folder) as workers,
        ThreadPoolExecutor(AT_ONCE) as executor,
    ):
        workers.start(SCRIBE)
        yield {
            (name, where): executor.submit(play_script, name, _home(folder / name), environment)
            for where, environment in (
                ("worker", dict(os.environ)),
                ("embedded", embedded_environment()),
            )
            for name in names
        }
    with ThreadPoolExecutor(len(names)) as executor:
        list(executor.map(end_server, [folder / name / FOLDER for name in names]))


def _home(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize("where", ["worker", "embedded"])
@pytest.mark.parametrize("place", SPEAKERS)
@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_script_says_three_times_and_ends_by_itself_in_silence(
    way: str, place: str, where: str, outcomes: dict[tuple[str, str], Future[Outcome]]
) -> None:
    outcome = outcomes[f"{way}_{place}", where].result()

    said = "length answered: 3. length answered: 5. length answered: 6."
    told = [line for line in outcome.output.splitlines() if line.endswith(said)]
    assert sorted(told) == [f"{who}: {said}" for who in SPEAKERS[place]], outcome
    assert outcome.errors == (ANNOUNCEMENT if where == "embedded" else ""), outcome.errors
    assert outcome.code == 0
    assert outcome.seconds < outcome.limit
