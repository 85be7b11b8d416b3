"""A run that kills every worker that takes it is given up after THREADMILL_MAX_ATTEMPTS."""

from __future__ import annotations

import pytest
from tests.acceptance.processes import Workers

from threadmill import Assistant
from threadmill.testing import Call, Reply, StandIn

DEFAULT = 3


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_by_default_the_third_death_in_a_row_is_a_runs_last(
    workers: Workers, standin: StandIn
) -> None:
    standin.brain = lambda _: Reply([Call("die")])
    started = workers.start("poisoned", DEFAULT + 1)
    run = Assistant.load("poisoned").enqueue("Die.").wait(60)
    assert run.status == "failed"
    assert run.last_error.name == "worker_lost"
    assert run.attempt == DEFAULT
    assert sum(worker.has_ended() for worker in started) == DEFAULT
