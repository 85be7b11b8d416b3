"""The names of a namespace's queues."""

from __future__ import annotations

import pytest

from threadmill_shared.broker.queues import Queues

QUEUES = Queues("tm")


@pytest.mark.parametrize(
    ("name", "queue", "begun"),
    [
        (None, "tm", "tm.begun"),
        ("local", "tm.local", "tm.local.begun"),
        ("process-7", "tm.process-7", "tm.process-7"),
    ],
)
def test_runs_that_have_begun_stay_with_the_workers_of_their_queue(
    name: str | None, queue: str, begun: str
) -> None:
    assert QUEUES.own(name) == queue
    assert QUEUES.of_begun(queue) == begun
    assert QUEUES.knows(begun)


def test_the_common_queue_for_runs_that_have_begun_is_as_ever() -> None:
    assert QUEUES.begun == "tm.begun"
