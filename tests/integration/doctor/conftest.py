"""Diagnoses of servers, without the command around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.support.servers.redis_server import RedisServer

from threadmill.inspection.doctor.diagnosis import diagnose
from threadmill.inspection.doctor.finding import Finding
from threadmill_shared.settings import Settings


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    findings: list[Finding]

    def __getitem__(self, name: str) -> Finding:
        [found] = [one for one in self.findings if one.name == name]
        return found

    def states(self, prefix: str = "") -> dict[str, str]:
        """The states that are not `ok`, by name."""
        found = (one for one in self.findings if one.name.startswith(prefix))
        return {one.name: one.state for one in found if one.state != "ok"}


async def examine(url: str, clock: Callable[[], float] | None = None, **more: str) -> Diagnosis:
    """Diagnose with this store, and no provider."""
    secret = {name: SecretStr(value) for name, value in more.items()}
    settings = Settings(redis_url=SecretStr(url), **secret)  # type: ignore[arg-type]
    options = {} if clock is None else {"clock": clock}
    return Diagnosis(await diagnose(settings, with_provider=False, **options))


@pytest.fixture
def make_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of this test: `make_redis("--maxmemory", "4mb", appendonly=True)`."""
    started: list[RedisServer] = []

    def make(*options: str, appendonly: bool = False, wrapper: tuple[str, ...] = ()) -> RedisServer:
        folder = tmp_path / f"redis-{len(started)}"
        folder.mkdir()
        server = RedisServer(folder, appendonly=appendonly, options=options, wrapper=wrapper)
        started.append(server)
        server.start()
        return server

    yield make
    for server in started:
        server.kill()  # its data are not needed, and one whose disk is full does not end in order
