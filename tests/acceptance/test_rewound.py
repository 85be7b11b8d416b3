"""A store that goes back to an earlier state while a run is executed and followed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.pauses import Pauses
from tests.support.processes.worker import Workers
from tests.support.servers.snapshot import Snapshot

from threadmill import Assistant, Event, EventHandler, Thread, errors
from threadmill.testing import Reply, StandIn, Text

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


NUMBERS = [f"{number} " for number in range(60)]


class Rewinder(EventHandler):
    """Puts the store back to how it was at the fifth piece of text, when the thirtieth comes."""

    def __init__(self, redis_url: str, told: list[Any], pauses: Pauses) -> None:
        self._redis_url = redis_url
        self._told = told
        self._pauses = pauses
        self._pieces = 0

    def on_event(self, event: Event) -> None:
        self._told.append(event)
        if event.event == "thread.message.delta":
            self._pieces += 1
            if self._pieces == 5:
                self._snapshot = Snapshot(self._redis_url, "threadmill")
                self._pauses.end()
            if self._pieces == 30:
                self._snapshot.restore()
                self._pauses.end()

    def on_rewound(self, reason: errors.LogRewound) -> None:
        self._told.append(reason)


def test_a_say_follows_its_run_anew_which_goes_on_from_what_is_stored(
    workers: Workers, redis_url: str, standin: StandIn
) -> None:
    pauses = Pauses(5, 30)
    standin.brain = lambda _: Reply([Text(NUMBERS)], delay=0.02, pause=pauses)
    [worker] = workers.start("bot")
    told: list[Any] = []
    thread = Thread()

    run = Assistant.load("plain").say(
        "Count.",
        thread=thread,
        event_handler_class=Rewinder,
        event_handler_kwargs={"redis_url": redis_url, "told": told, "pauses": pauses},
        timeout=30,
    )

    assert run.status == "completed"
    [anew] = [at for at, one in enumerate(told) if isinstance(one, errors.LogRewound)]
    assert [event.id for event in told[anew + 1 :]] == list(range(1, len(told) - anew))
    assert told[-1].event == "done"
    assert [message.role for message in thread.get_messages()] == ["user", "assistant"]
    assert len(run.text.split()) == 60
    assert f"{run.id} continues from an earlier state" in worker.log()
