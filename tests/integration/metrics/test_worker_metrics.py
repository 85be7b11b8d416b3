"""The metrics of a worker process: served from its start to its end, and only then."""

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr

from threadmill_shared import errors
from threadmill_shared.settings import Settings
from threadmill_workers.catalog import Catalog
from threadmill_workers.process import WorkerProcess


def is_served() -> bool:
    return "threadmill-metrics" in {thread.name for thread in threading.enumerate()}


def test_a_worker_that_cannot_start_serves_nothing_any_more(monkeypatch):
    settings = Settings(redis_url=SecretStr("redis://127.0.0.1:1/0"), metrics_port=0)
    process = WorkerProcess(settings, Catalog(), lambda: pytest.fail("no model is needed"))
    was_served = []

    async def fail_late() -> None:
        process._metrics.start()
        was_served.append(is_served())
        raise errors.StoreUnavailable("Redis went away.")

    monkeypatch.setattr(process, "_open", fail_late)
    with pytest.raises(errors.StoreUnavailable):
        process.start()
    process._loop.stop()
    assert was_served == [True]
    assert not is_served()
