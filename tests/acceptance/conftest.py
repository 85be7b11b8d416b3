"""Real worker processes, a real Redis and a provider behind its socket, for both model APIs.

What `environment` sets holds for the test's own process, a producer, and for all that it starts.
Starting a worker takes a second of a processor: a module whose tests leave theirs as they found it
shares one (`lasting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.environment import isolated_environment
from tests.support.processes.installation import Installations
from tests.support.processes.worker import Workers
from tests.support.servers.redis_server import RedisServer

from threadmill.testing import StandIn, converse


@pytest.fixture(scope="module", params=["responses", "chat"])
def api(request: pytest.FixtureRequest) -> str:
    """Every test runs for both. For one: `parametrize("api", ["chat"], indirect=True)`."""
    name: str = request.param
    return name


@pytest.fixture
def standin() -> Iterator[StandIn]:
    """The provider; a test sets its `brain`."""
    with StandIn() as standin:
        yield standin


@pytest.fixture
def environment(redis_url: str, standin: StandIn, api: str) -> Iterator[None]:
    """The settings of the test's producer, its workers and its scripts; in `os.environ`."""
    with isolated_environment(redis_url, standin, api):
        yield


@pytest.fixture
def workers(environment: None, tmp_path: Path) -> Iterator[Workers]:
    """Starts `threadmill worker` processes: `workers.start("bot")`, `workers.start("bot", 2)`."""
    with Workers(tmp_path) as workers:
        yield workers


@dataclass(frozen=True)
class Lasting:
    """What all tests of a module have in common, for one API."""

    workers: Workers
    standin: StandIn

    def fresh_standin(self) -> StandIn:
        """The provider, as if nobody had asked it anything."""
        self.standin.brain = converse
        self.standin.forget()
        return self.standin


@pytest.fixture(scope="module")
def lasting(
    redis_server: RedisServer, api: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lasting]:
    """A store, a provider and workers that are there for all tests of a module."""
    with (
        StandIn() as standin,
        isolated_environment(redis_server.fresh_database(), standin, api),
        Workers(tmp_path_factory.mktemp(api)) as workers,
    ):
        yield Lasting(workers, standin)


@pytest.fixture(scope="session")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installations]:
    """The built wheel, installed as users do it; made once, at the first use."""
    installations = Installations(tmp_path_factory.mktemp("installed"))
    yield installations
    installations.close()
