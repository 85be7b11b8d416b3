"""The settings of a test's own process, a producer, and of all that it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.paths import ROOT
from tests.support.servers.raw_provider import RawProvider

from threadmill.client.current import close_client
from threadmill.testing import StandIn


@contextmanager
def isolated_environment(
    redis_url: str, standin: StandIn | RawProvider, api: str, **more: str
) -> Iterator[None]:
    """Set these settings and no other ones, in `os.environ`, until the end of the `with` block."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("THREADMILL_", "OPENAI_")):
                patch.delenv(name)
        settings = {
            "THREADMILL_REDIS_URL": redis_url,
            "THREADMILL_MODEL_API": api,
            "THREADMILL_DRAIN_SECONDS": "1",
            "OPENAI_BASE_URL": standin.base_url,
            "OPENAI_API_KEY": "a-stand-in-asks-for-none",
            # Scripts and workers import modules of the tests.
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        for name, value in (settings | more).items():
            patch.setenv(name, value)
        close_client()
        try:
            yield
        finally:
            close_client()


def stretched(seconds: float) -> float:
    """A limit for a machine that does nothing else, stretched while others compete for this one."""
    waiting_per_processor = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(1.0, waiting_per_processor)


def embedded_environment() -> dict[str, str]:
    """These settings without a Redis: a script brings its own server and worker."""
    return {name: value for name, value in os.environ.items() if name != "THREADMILL_REDIS_URL"}
