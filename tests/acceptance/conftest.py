"""Real worker processes, a real Redis and a provider behind its socket, for both model APIs.

What `environment` sets holds for the test's own process, a producer, and for all that it starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.installing import Installations
from tests.acceptance.processes import Workers
from tests.acceptance.surroundings import surroundings

from threadmill.testing import StandIn


@pytest.fixture(params=["responses", "chat"])
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
    with surroundings(redis_url, standin, api):
        yield


@pytest.fixture
def workers(environment: None, tmp_path: Path) -> Iterator[Workers]:
    """Starts `threadmill worker` processes: `workers.start("bot")`, `workers.start("bot", 2)`."""
    with Workers(tmp_path) as workers:
        yield workers


@pytest.fixture(scope="session")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installations]:
    """The built wheel, installed as users do it; made once, at the first use."""
    installations = Installations(tmp_path_factory.mktemp("installed"))
    yield installations
    installations.close()
