"""The tasks at the door: their messages are kept until they have become runs."""

from __future__ import annotations

from typing import Any

import pytest

from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.queues import EXECUTE, RUN, SAY, Queues
from threadmill_shared.settings import Settings
from threadmill_workers.consuming.consumer import consumed_queues
from threadmill_workers.consuming.tasks import register_tasks


@pytest.fixture
def app() -> Any:
    app = make_app(Settings(redis_url="redis://127.0.0.1:1"))
    host: Any = None
    register_tasks(app, host, "tm")
    return app


@pytest.mark.parametrize("name", [SAY, RUN])
def test_a_door_task_is_acknowledged_when_its_run_is_stored(app: Any, name: str) -> None:
    assert app.tasks[name].acks_late


def test_a_run_message_needs_no_acknowledgement_and_one_at_the_door_does(app: Any) -> None:
    queues = Queues("tm")
    found = {
        queue.name: queue.no_ack for queue in consumed_queues([queues.door, queues.common], "tm")
    }
    assert found == {queues.door: False, queues.common: True}
    assert not app.tasks[EXECUTE].acks_late
