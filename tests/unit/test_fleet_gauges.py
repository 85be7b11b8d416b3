"""The metrics of the whole fleet: one worker shows them, and no longer than it may."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.support.scrapes import Scrape

from threadmill_shared.records.waiting import QueuedRuns, WaitingRuns
from threadmill_workers.metrics.fleet_gauges import FleetGauges

QUEUED = "threadmill_runs_queued"


def waiting(**runs: int) -> WaitingRuns:
    """Runs by queue; of each the oldest has waited for as many seconds."""
    queues = [
        QueuedRuns(name, has_begun=False, runs=number, oldest_seconds=number)
        for name, number in runs.items()
    ]
    return WaitingRuns(queues, {"approval": 4}, {"approval": 7.5})


class Shown:
    """Gauges with a clock of the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.gauges = FleetGauges("tm", 3, clock=lambda: self.now)
        self.registry = CollectorRegistry(auto_describe=True)
        self.registry.register(self.gauges)

    def scrape(self) -> Scrape:
        return Scrape.read(generate_latest(self.registry).decode())


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_a_worker_that_is_not_elected_shows_nothing(shown):
    assert shown.scrape().samples == []


def test_the_counts_are_shown_by_queue_and_kind(shown):
    shown.gauges.show(waiting(**{"tm": 2, "tm.gpu": 1}), until=10)
    found = shown.scrape()
    assert found.values(QUEUED, queue="tm") == [2]
    assert found.values(QUEUED, queue="tm.gpu") == [1]
    assert found.values("threadmill_runs_parked", kind="approval") == [4]
    assert found.values("threadmill_runs_parked", kind="output") == [0]
    assert found.values("threadmill_oldest_queued_seconds") == [2]
    assert found.values("threadmill_oldest_parked_seconds", kind="approval") == [7.5]
    assert found.values("threadmill_oldest_parked_seconds", kind="output") == [0]


def test_the_workers_are_shown_by_state(shown):
    shown.gauges.show(WaitingRuns(), until=10, workers={"alive": 3, "silent": 1})
    assert shown.scrape().values("threadmill_workers", state="alive") == [3]
    assert shown.scrape().values("threadmill_workers", state="silent") == [1]


def test_when_another_worker_may_be_elected_nothing_is_shown_any_more(shown):
    shown.gauges.show(waiting(tm=2), until=10)
    shown.now = 9.9
    assert shown.scrape().values(QUEUED) == [2]
    shown.now = 10.0
    assert shown.scrape().samples == []


def test_without_runs_the_common_queue_has_none_and_nothing_is_old(shown):
    shown.gauges.show(WaitingRuns(), until=10)
    found = shown.scrape()
    assert found.values(QUEUED, queue="tm") == [0]
    assert found.values("threadmill_oldest_queued_seconds") == [0]


def test_a_queue_that_is_empty_again_has_none(shown):
    shown.gauges.show(waiting(**{"tm.gpu": 3}), until=10)
    shown.scrape()
    shown.gauges.show(WaitingRuns(), until=10)
    assert shown.scrape().values(QUEUED, queue="tm.gpu") == [0]


def test_the_queues_of_scripts_share_a_series_and_others_beyond_the_limit_do(shown):
    scripts = {f"tm.process-{number}-ab": 1 for number in range(5)}
    assistants = {f"tm.team-{number}": 1 for number in range(5)}
    shown.gauges.show(waiting(**scripts, **assistants), until=10)
    found = shown.scrape()
    assert found.values(QUEUED, queue="embedded") == [5]
    assert found.values(QUEUED, queue="other") == [2]
    assert found.total(QUEUED) == 10
