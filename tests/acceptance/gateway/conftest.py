"""A gateway and workers that are there for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from tests.acceptance.conftest import Lasting
from tests.support.processes.gateway import GatewayProcess, Gateways


@dataclass(frozen=True)
class Served:
    """A gateway with its fleet, and how to reach it."""

    gateway: GatewayProcess
    fleet: Lasting
    clients: ExitStack
    """Closes the clients that were made."""

    def client(self, **options: Any) -> openai.OpenAI:
        """OpenAI's client; it repeats nothing, and refuses what is not of its types."""
        made = openai.OpenAI(**(self._settings() | options))
        self.clients.callback(made.close)
        return made

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        """The same for coroutines."""
        return openai.AsyncOpenAI(**(self._settings() | options))

    def _settings(self) -> dict[str, Any]:
        return {
            "base_url": f"{self.gateway.url}/v1",
            "api_key": "none",
            "max_retries": 0,
            "_strict_response_validation": True,
        }


@pytest.fixture(scope="module", params=["responses"])
def api(request: pytest.FixtureRequest) -> str:
    """What a gateway answers does not depend on the provider's protocol."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def served(lasting: Lasting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workers and a gateway."""
    lasting.workers.start("toolbox", 2)
    with Gateways(tmp_path_factory.mktemp("gateways")) as gateways, ExitStack() as clients:
        yield Served(gateways.start(), lasting, clients)
