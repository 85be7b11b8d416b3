"""A fleet with metrics, and runs of each kind for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.processes.worker import Worker
from tests.support.scrapes import Scrape
from tests.support.waiting import wait_until

from threadmill import Assistant, Run
from threadmill.client.current import close_client
from threadmill.testing import Brain, Call, Fault, Reply, by_text

ANSWERS: dict[str, Any] = {
    "completed": "Done.",
    "failed": Fault.status(400),
    "retried": [Fault.status(503), "Done."],
    "with tools": [Reply([Call("look_up", {"order": 1}), Call("look_up", {})]), "Done."],
    "parked": [Reply([Call("refund", {"order": 7})])],
    "held": Fault.hang(2),
    "taken over": [Fault.hang(2), "Done."],
}
"""What the model of `careful` says in each kind of run."""
NOBODYS = Assistant("lonely", queue="nobodys")
"""Its runs wait in a queue that no worker consumes."""


def brain() -> Brain:
    return by_text({f"<{name}>": answer for name, answer in ANSWERS.items()})


def say(name: str) -> Run:
    """A run of this kind."""
    return Assistant.load("careful").enqueue(f"<{name}>")


def play() -> None:
    """One run of each kind but `taken over`; one is left parked, one queued, one in progress."""
    for name in ("completed", "failed", "retried", "with tools"):
        say(name).wait(30)
    assert any(event.event == "thread.run.requires_action" for event in say("parked").events())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THREADMILL_QUEUE_SECONDS", "0.5")
        close_client()
        NOBODYS.enqueue("<expired>").wait(30)
    close_client()
    NOBODYS.enqueue("<queued>")
    begin("held")


def begin(name: str) -> Run:
    """A run of this kind, whose answer has begun."""
    run = say(name)
    assert any(event.event == "thread.message.delta" for event in run.events())
    return run


@dataclass
class Fleet:
    """Workers that serve metrics."""

    workers: list[Worker]

    def scrapes(self) -> list[Scrape]:
        return [Scrape.of_worker(worker) for worker in self.workers if not worker.has_ended()]

    def total(self, name: str, **labels: str) -> float:
        """The sum over the fleet."""
        return sum(scrape.total(name, **labels) for scrape in self.scrapes())

    def wait_for(self, name: str, total: float, **labels: str) -> None:
        wait_until(lambda: self.total(name, **labels) == total, f"{name} {labels} is {total}", 30)

    def holder_of(self, run: Run) -> Worker:
        """The worker that executes the run."""
        [holder] = [worker for worker in self.workers if worker.name == run.refresh().worker]
        return holder
