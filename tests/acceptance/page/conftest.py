"""The page's examples as scripts, which are played in two places.

Embedded, a script brings its own server and worker. Remote, separate worker processes execute its
runs, and have never seen it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import Workers
from tests.acceptance.surroundings import embedded_environment, stretched, surroundings
from tests.servers import RedisServer

from threadmill.embedded_server import FOLDER, end_server
from threadmill.testing import StandIn, converse

Play = Callable[[str], list[str]]

ANNOUNCED = "threadmill: embedded server and worker, data in "


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with StandIn() as standin:
        yield standin


@pytest.fixture(scope="module", params=["embedded", "remote"])
def environment(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    provider: StandIn,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The environment of the scripts; a place for each of the two."""
    url = redis_server.fresh_database()
    with (
        surroundings(url, provider, "responses"),
        Workers(tmp_path_factory.mktemp("workers")) as workers,
    ):
        if request.param == "remote":
            workers.start("bot", 2)
            yield dict(os.environ)
        else:
            yield embedded_environment()


@pytest.fixture
def play(environment: dict[str, str], provider: StandIn, tmp_path: Path) -> Iterator[Play]:
    """Plays a script to its end, and gives the lines that it has printed."""
    provider.brain = converse
    provider.forget()

    def play(source: str) -> list[str]:
        (tmp_path / "script.py").write_text(textwrap.dedent(source))
        ended = subprocess.run(
            [sys.executable, "-W", "error", "script.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=stretched(30),
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        told = [line for line in ended.stderr.splitlines() if not line.startswith(ANNOUNCED)]
        assert told == []
        return [line for line in ended.stdout.splitlines() if not line.startswith(ANNOUNCED)]

    yield play
    if (tmp_path / FOLDER).is_dir():
        end_server(tmp_path / FOLDER)
