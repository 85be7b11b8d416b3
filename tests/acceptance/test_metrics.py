"""What Prometheus reads of real workers."""

from __future__ import annotations

import socket
import urllib.error

import pytest
from tests.support.processes.worker import Workers
from tests.support.scrapes import Scrape, metrics_url
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.testing import Fault, StandIn, by_text

pytestmark = pytest.mark.any_api


def test_a_worker_counts_the_runs_that_it_ends_by_assistant_and_status(
    workers: Workers, standin: StandIn
) -> None:
    standin.brain = by_text({"good": "Yes.", "bad": Fault.status(400)})
    [worker] = workers.start("bot", THREADMILL_METRICS_PORT="0")
    for text in ("good", "good", "bad"):
        Assistant.load("plain").enqueue(text).wait(20)
    name = "threadmill_runs_total"
    wait_until(lambda: Scrape.of_worker(worker).total(name) == 3, "each end is counted")
    found = Scrape.of_worker(worker)
    assert found.values(name, assistant="plain", status="completed") == [2]
    assert found.values(name, assistant="plain", status="failed") == [1]
    assert found.values("threadmill_runs_in_progress") == [0]


def test_a_worker_without_the_setting_serves_nothing(workers: Workers) -> None:
    [worker] = workers.start("bot")
    assert "metrics" not in worker.log()


def test_a_taken_port_is_a_warning_and_metrics_are_served_on_another(workers: Workers) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        [worker] = workers.start("bot", THREADMILL_METRICS_PORT=str(port))
        assert Scrape.of_worker(worker).values("threadmill_build_info") == [1]
    assert f"port {port} is taken" in worker.log()
    assert metrics_url(worker).startswith("http://127.0.0.1:")


def test_an_unusable_address_is_a_warning_and_the_worker_works_on(workers: Workers) -> None:
    settings = {"THREADMILL_METRICS_PORT": "0", "THREADMILL_METRICS_HOST": "192.0.2.1"}
    [worker] = workers.start("bot", **settings)
    assert "works on without" in wait_until(lambda: "192.0.2.1" in worker.log() and worker.log())
    assert Assistant.load("plain").say("Hello?").status == "completed"


def test_a_worker_that_ends_stops_serving(workers: Workers) -> None:
    [worker] = workers.start("bot", THREADMILL_METRICS_PORT="0")
    url = metrics_url(worker)
    worker.terminate()
    assert worker.ends()
    with pytest.raises(urllib.error.URLError):
        Scrape.of(url)
