"""Real worker processes, a real Redis and a provider behind its socket, for both model APIs.

What `environment` sets holds for the test's own process, a producer, and for all that it starts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.processes import Workers

from threadmill.client import close_client
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
def environment(
    redis_url: str, standin: StandIn, api: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The settings of the test's producer, its workers and its scripts; in `os.environ`."""
    for name in os.environ:
        if name.startswith(("THREADMILL_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("THREADMILL_REDIS_URL", redis_url)
    monkeypatch.setenv("THREADMILL_MODEL_API", api)
    monkeypatch.setenv("THREADMILL_DRAIN_SECONDS", "1")
    monkeypatch.setenv("OPENAI_BASE_URL", standin.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "a-stand-in-asks-for-none")
    close_client()
    yield
    close_client()


@pytest.fixture
def workers(environment: None, tmp_path: Path) -> Iterator[Workers]:
    """Starts `threadmill worker` processes: `workers.start("bot")`, `workers.start("bot", 2)`."""
    with Workers(tmp_path) as workers:
        yield workers
