"""What Prometheus reads of real workers."""

from __future__ import annotations

import re
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.environment import embedded_environment, isolated_environment
from tests.support.monitored_fleet import Fleet, brain, play
from tests.support.processes.script import Script
from tests.support.processes.worker import Workers
from tests.support.scrapes import Scrape, metrics_url
from tests.support.servers.ports import free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill import Assistant
from threadmill.embedded.server import FOLDER, end_server
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


def test_a_scripts_own_worker_serves_metrics_and_ends_with_the_script(
    environment: None, tmp_path: Path
) -> None:
    settings = embedded_environment() | {"THREADMILL_METRICS_PORT": str(free_port())}
    script = Script.of_file("measured", folder=tmp_path, environment=settings)
    assert script.end(60)[0] == "['1.0']\n"
    end_server(tmp_path / FOLDER)


# ---- a fleet -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fleet(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    url, folder = redis_server.fresh_database(), tmp_path_factory.mktemp("fleet")
    with (
        StandIn(brain()) as standin,
        isolated_environment(url, standin, "responses", THREADMILL_METRICS_PORT="0"),
        Workers(folder) as workers,
    ):
        fleet = Fleet(workers.start("careful", 2))
        play()
        yield fleet


@pytest.mark.parametrize(
    ("assistant", "status", "count"),
    [("careful", "completed", 3), ("careful", "failed", 1), ("lonely", "expired", 1)],
)
def test_every_end_counts_once_in_the_fleet_also_without_a_worker_that_held_the_run(
    fleet: Fleet, assistant: str, status: str, count: int
) -> None:
    fleet.wait_for("threadmill_runs_total", count, assistant=assistant, status=status)


def test_runs_in_progress_are_those_that_are_executed(fleet: Fleet) -> None:
    fleet.wait_for("threadmill_runs_in_progress", 1)


def test_waiting_runs_of_the_fleet_are_shown_by_one_worker(fleet: Fleet) -> None:
    fleet.wait_for("threadmill_runs_queued", 1, queue="threadmill.nobodys")
    fleet.wait_for("threadmill_runs_parked", 1, kind="approval")
    assert fleet.total("threadmill_oldest_queued_seconds") > 0
    assert fleet.total("threadmill_oldest_parked_seconds", kind="approval") > 0
    fleet.wait_for("threadmill_workers", 2, state="alive")
    assert fleet.total("threadmill_provider_state", state="answering") >= 1
    assert fleet.total("threadmill_provider_state") == 2
    shown = [bool(one.values("threadmill_runs_queued")) for one in fleet.scrapes()]
    assert sorted(shown) == [False, True]


@pytest.mark.parametrize(
    ("name", "labels", "count"),
    [
        ("threadmill_model_requests_total", {"outcome": "answered"}, 5),
        ("threadmill_model_requests_total", {"outcome": "refused"}, 1),
        ("threadmill_model_requests_total", {"outcome": "unavailable"}, 1),
        ("threadmill_model_retries_total", {"reason": "unavailable"}, 1),
        ("threadmill_turn_duration_seconds_count", {}, 5),
        ("threadmill_time_to_first_token_seconds_count", {}, 6),
        ("threadmill_run_duration_seconds_count", {}, 4),
        ("threadmill_queue_wait_seconds_count", {}, 6),
        ("threadmill_tool_duration_seconds_count", {"tool": "look_up", "outcome": "completed"}, 1),
        (
            "threadmill_tool_duration_seconds_count",
            {"tool": "look_up", "outcome": "invalid_arguments"},
            1,
        ),
    ],
)
def test_turns_requests_and_calls_count_where_they_were_made(
    fleet: Fleet, name: str, labels: dict[str, str], count: int
) -> None:
    fleet.wait_for(name, count, **labels)


def test_tokens_count_as_the_runs_records_do(fleet: Fleet) -> None:
    assert fleet.total("threadmill_tokens_total", kind="input") > 0
    assert fleet.total("threadmill_tokens_total", kind="output") > 0


def test_the_process_measures_itself(fleet: Fleet) -> None:
    for scrape in fleet.scrapes():
        assert scrape.values("threadmill_tool_threads", state="limit") == [64]
        assert scrape.total("threadmill_store_roundtrip_seconds_count") > 0
    lag = "threadmill_loop_lag_seconds_count"
    wait_until(lambda: all(one.total(lag) for one in fleet.scrapes()), "each measures a lag")


def test_no_label_names_a_run_a_thread_or_what_was_said(fleet: Fleet) -> None:
    for scrape in fleet.scrapes():
        assert not re.search(r"run_[0-9a-f]{8}|thread_[0-9a-f]{8}|call_[0-9a-f]{8}", scrape.text)
        assert "<" not in scrape.text


# ---- a worker that dies --------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["connection", "lease"])
def test_a_run_of_a_worker_that_dies_is_a_recovery_and_another_worker_counts_for_the_fleet(
    workers: Workers, standin: StandIn, cause: str
) -> None:
    standin.brain = by_text({"held": [Fault.hang(2), "Done."]})
    [first] = workers.start("bot", THREADMILL_METRICS_PORT="0")
    run = Assistant.load("plain").enqueue("held")
    assert any(event.event == "thread.message.delta" for event in run.events())
    queued = "threadmill_runs_queued"
    wait_until(lambda: Scrape.of_worker(first).values(queued), "the first worker counts")
    [second] = workers.start("bot", THREADMILL_METRICS_PORT="0")
    assert Scrape.of_worker(second).values(queued) == []
    first.kill() if cause == "connection" else first.freeze()
    try:
        run.wait(40)
        found = Scrape.of_worker(second)
        assert found.values("threadmill_recoveries_total", cause=cause) == [1]
        assert found.values("threadmill_recovery_seconds_count") == [1]
        assert 0 < found.total("threadmill_recovery_seconds_sum") < 40
        ends = "threadmill_runs_total"
        wait_until(lambda: Scrape.of_worker(second).total(ends) == 1, "its end counts once")
        wait_until(lambda: Scrape.of_worker(second).values(queued), "the second counts", 40)
    finally:
        first.thaw()
