"""The dashboard and the alert rules of docs/monitoring, asked of a real Prometheus.

It reads two workers that have executed runs of each kind; and promtool plays series to the alert
rules, each of which must fire on its own and none on those of a healthy fleet.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.environment import isolated_environment
from tests.support.monitored_fleet import Fleet, begin, brain, play
from tests.support.monitoring_files import ALERTS, Panel, Target, panels, rules
from tests.support.processes.prometheus import (
    JOB,
    Prometheus,
    Sample,
    need_prometheus,
    running_prometheus,
)
from tests.support.processes.worker import Workers
from tests.support.scrapes import metrics_url
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

from threadmill.testing import StandIn

pytestmark = pytest.mark.monitoring

OUTCOMES = {"answered", "refused", "unavailable"}
MUST_SHOW: dict[str, dict[str, set[str]]] = {
    "Workers": {},
    "Runs in progress": {},
    "Runs queued": {},
    "Oldest queued": {},
    "Approvals waiting": {},
    "Failed in the last hour": {},
    "Ends by status": {"status": {"completed", "failed", "expired"}},
    "Failed and expired by assistant": {"assistant": {"careful", "lonely"}},
    "Run duration": {},
    "Queue wait": {},
    "Queued by queue": {"queue": {"threadmill", "threadmill.nobodys"}},
    "Parked by kind": {"kind": {"approval", "output"}},
    "Requests by outcome": {"outcome": OUTCOMES},
    "Retries by reason": {"reason": {"unavailable"}},
    "Tokens": {"model": {"gpt-5.4-mini"}, "kind": {"input", "output"}},
    "Time to first token": {},
    "Turn duration": {},
    "Runs in progress by worker": {},
    "Calls by outcome": {"tool": {"look_up"}, "outcome": {"completed", "invalid_arguments"}},
    "Call duration": {"tool": {"look_up"}},
    "Tool threads": {"state": {"limit", "busy", "abandoned", "waiting"}},
    "Recoveries by cause": {"cause": {"connection"}},
    "Recovery time": {},
    "Workers by version": {},
    "Redis round trip": {},
    "Event loop lag": {},
    "Processor": {},
    "Memory": {},
    "Oldest parked by kind": {"kind": {"approval", "output"}},
    "Workers by state": {"state": {"alive", "silent"}},
    "Provider by state": {"state": {"unknown", "answering", "failing"}},
}
"""The panels, and the values of labels that must appear in each."""


@dataclass(frozen=True)
class Watched:
    """A fleet, and the Prometheus that reads it."""

    fleet: Fleet
    prometheus: Prometheus


@pytest.fixture(scope="module")
def watched(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    need_prometheus()
    url, folder = redis_server.fresh_database(), tmp_path_factory.mktemp("watched")
    with (
        StandIn(brain()) as standin,
        isolated_environment(url, standin, "responses", THREADMILL_METRICS_PORT="0"),
        Workers(folder) as workers,
    ):
        fleet = Fleet(workers.start("careful", 2))
        targets = [metrics_url(worker).split("/")[2] for worker in fleet.workers]
        with running_prometheus(folder, targets) as prometheus:
            watched = Watched(fleet, prometheus)
            play_before(watched, standin)
            yield watched


def play_before(watched: Watched, standin: StandIn) -> None:
    """Play all runs, and kill a worker.

    The first value of a series is no increase. So that one of the two workers calls tools in at
    least two of the plays, there are three.
    """
    prometheus = watched.prometheus
    for plays in range(1, 4):
        standin.brain = brain()
        play()
        calls = f"sum(threadmill_tool_duration_seconds_count) >= {2 * plays}"
        wait_until(lambda calls=calls: prometheus.query(calls), "the calls have been read", 30)
    taken_over = begin("taken over")
    watched.fleet.holder_of(taken_over).kill()
    taken_over.wait(60)
    recovered = 'sum(threadmill_recoveries_total{cause="connection"}) > 0'
    wait_until(lambda: prometheus.query(recovered), "the takeover has been read", 30)
    wait_until(lambda: prometheus.query("threadmill_runs_queued"), "the fleet is counted", 60)


# ---- the dashboard -------------------------------------------------------------------------------


def test_every_panel_says_what_it_must_show() -> None:
    assert {panel.title for panel in panels()} == set(MUST_SHOW)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_every_query_of_a_panel_has_an_answer_with_the_labels_of_its_legend(
    watched: Watched, panel: Panel
) -> None:
    for target in panel.targets:
        expression = target.expression(job=JOB, interval="10m")
        ask = partial(watched.prometheus.query, expression)
        # The end of a run without a worker is reported late, and a rate needs two scrapes of it.
        with contextlib.suppress(AssertionError):
            wait_until(partial(has_all, ask, target, panel), timeout=20)
        assert lacking(ask(), target, panel) == "", expression


def has_all(ask: Callable[[], list[Sample]], target: Target, panel: Panel) -> bool:
    return not lacking(ask(), target, panel)


def lacking(samples: list[Sample], target: Target, panel: Panel) -> str:
    """What an answer to a panel's query lacks; empty: nothing."""
    known = [one for one in samples if not math.isnan(one.value)]
    if not known:
        return "a value"
    for label in target.legend_labels():
        if not all(one.labels.get(label) for one in samples):
            return label
    for label, values in MUST_SHOW[panel.title].items():
        if not values <= {one.labels.get(label) for one in known}:
            return f"{values} of {label}"
    return ""


@pytest.mark.parametrize(
    ("title", "least"),
    [
        ("Workers", 1),
        ("Runs in progress", 1),
        ("Runs queued", 2),
        ("Oldest queued", 0.1),
        ("Approvals waiting", 2),
        ("Failed in the last hour", 2),
    ],
)
def test_the_numbers_of_the_first_row_are_those_of_the_fleet(
    watched: Watched, title: str, least: float
) -> None:
    [panel] = [one for one in panels() if one.title == title]
    expression = panel.targets[0].expression(job=JOB, interval="10m")
    wait_until(
        lambda: (found := watched.prometheus.query(expression)) and found[0].value >= least,
        f"{title} is at least {least}",
        30,
    )


# ---- the alerts ----------------------------------------------------------------------------------


def test_prometheus_evaluates_every_alert_without_an_error(watched: Watched) -> None:
    def evaluated() -> list[Any]:
        [group] = watched.prometheus.ask("rules")["groups"]
        return [rule for rule in group["rules"] if rule["health"] != "unknown"]

    found = wait_until(lambda: len(evaluated()) == len(rules()) and evaluated(), "all are known")
    assert isinstance(found, list)
    assert [rule["name"] for rule in found if rule["health"] != "ok"] == []


def test_the_worker_that_was_killed_is_an_alert_that_names_what_happened(watched: Watched) -> None:
    def firing() -> list[dict[str, Any]]:
        alerts: list[dict[str, Any]] = watched.prometheus.ask("alerts")["alerts"]
        return [one for one in alerts if one["labels"]["alertname"] == "ThreadmillWorkersDie"]

    wait_until(firing, "the alert fires", 30)
    [alert] = firing()
    assert alert["labels"]["cause"] == "connection"
    assert "connection" in alert["annotations"]["summary"]


@dataclass(frozen=True)
class Case:
    """Series that make an alert fire, and what it says then."""

    series: dict[str, str]
    summary: str
    labels: dict[str, str] = field(default_factory=dict)
    at: str = "15m"
    description: str = ""
    """If it depends on the series."""


def of_job(**labels: str) -> dict[str, str]:
    return {"job": JOB, **labels}


def selector(name: str, **labels: str) -> str:
    inner = ", ".join(f'{label}="{value}"' for label, value in of_job(**labels).items())
    return f"{name}{{{inner}}}"


def buckets(name: str, low: str, high: str, **labels: str) -> dict[str, str]:
    """A histogram whose values are all between two ends."""
    return {
        selector(f"{name}_bucket", **labels, le=low): "0x60",
        selector(f"{name}_bucket", **labels, le=high): "0+30x60",
        selector(f"{name}_bucket", **labels, le="+Inf"): "0+30x60",
    }


REQUESTS = "threadmill_model_requests_total"
CALLS = "threadmill_tool_duration_seconds_count"
ANSWERS = "threadmill_gateway_requests_total"


def refused(outcome: str, summary: str) -> Case:
    """A model three quarters of whose requests end so."""
    series = {
        selector(REQUESTS, model="m", outcome=outcome): "0+3x60",
        selector(REQUESTS, model="m", outcome="answered"): "0+1x60",
    }
    return Case(series, summary, of_job(model="m"))


HEALTHY = {
    selector("up", instance="a:1"): "1x720",
    selector("threadmill_build_info", instance="a:1", version="1"): "1x720",
    selector("process_start_time_seconds", instance="a:1"): "100x720",
    selector("threadmill_runs_total", assistant="Ada", status="completed"): "0+50x720",
    selector("threadmill_runs_total", assistant="Ada", status="failed"): "0+1x720",
    selector("threadmill_runs_queued", queue="threadmill"): "3x720",
    selector("threadmill_oldest_queued_seconds"): "0.5x720",
    selector("threadmill_runs_parked", kind="approval"): "0x720",
    selector(REQUESTS, model="m", outcome="answered"): "0+50x720",
    selector(REQUESTS, model="m", outcome="unavailable"): "0+1x720",
    selector(REQUESTS, model="m", outcome="refused"): "0+1x720",
    selector(REQUESTS, model="m", outcome="wrong_key"): "0x720",
    selector(REQUESTS, model="m", outcome="no_quota"): "0+1x720",
    selector(REQUESTS, model="m", outcome="no_model"): "0+1x720",
    selector("threadmill_provider_state", instance="a:1", host="p", state="answering"): "1x720",
    selector("threadmill_provider_state", instance="a:1", host="p", state="failing"): "0x720",
    selector("threadmill_provider_state", instance="a:2", host="p", state="answering"): "0x720",
    selector("threadmill_provider_state", instance="a:2", host="p", state="failing"): "1x720",
    selector("threadmill_oldest_parked_seconds", kind="approval"): "600x720",
    selector("threadmill_oldest_parked_seconds", kind="output"): "0+30x720",
    selector("threadmill_workers", state="alive"): "4x360 3x360",
    selector("threadmill_workers", state="silent"): "0x720",
    selector(CALLS, tool="pay", outcome="completed"): "0+50x720",
    selector(CALLS, tool="pay", outcome="failed"): "0+1x720",
    selector("threadmill_tool_threads", instance="a:1", state="waiting"): "0x720",
    selector("threadmill_tool_threads", instance="a:1", state="abandoned"): "0x720",
    selector("threadmill_recoveries_total", cause="connection"): "0x720",
    selector("threadmill_recoveries_total", cause="lease"): "0x720",
    selector("threadmill_recoveries_total", cause="lost_message"): "0x720",
    selector("threadmill_recovery_seconds_bucket", le="1"): "0x720",
    selector("threadmill_recovery_seconds_bucket", le="+Inf"): "0x720",
    selector("threadmill_store_roundtrip_seconds_bucket", le="0.001"): "0+30x720",
    selector("threadmill_store_roundtrip_seconds_bucket", le="+Inf"): "0+30x720",
    selector("threadmill_loop_lag_seconds_sum", instance="a:1"): "0+0.03x720",
}
"""Six hours of a fleet in which nothing is wrong, a value every 30 s."""
INFO = selector("threadmill_build_info", instance="a:1")
GATEWAY = {
    selector("threadmill_build_info", instance="g:1"): "1x720",
    selector("threadmill_gateway_in_use", instance="g:1", kind="requests"): "1x720",
    selector("threadmill_gateway_in_use", instance="g:1", kind="streams"): "5x720",
}
FIRING = {
    "ThreadmillNoWorker": Case(
        {'up{job="other"}': "1x60"}, "No threadmill worker answers Prometheus."
    ),
    "ThreadmillWorkerDown": Case(
        {selector("up", instance="a:1"): "1x10 0x50", INFO: "1x10 _x50"},
        "a:1 does not answer Prometheus.",
        of_job(instance="a:1"),
    ),
    "ThreadmillWorkerRestarts": Case(
        {
            selector("process_start_time_seconds", instance="a:1"): (
                "100x5 200x5 300x5 400x5 500x40"
            ),
            INFO: "1x60",
        },
        "a:1 was started 4 times in 15 minutes.",
        of_job(instance="a:1"),
    ),
    "ThreadmillRunsFail": Case(
        {
            selector("threadmill_runs_total", assistant="Ada", status="failed"): "0+1x60",
            selector("threadmill_runs_total", assistant="Ada", status="completed"): "0+3x60",
        },
        "25% of the runs of Ada fail or expire.",
        of_job(assistant="Ada"),
    ),
    "ThreadmillQueueWaits": Case(
        {selector("threadmill_oldest_queued_seconds"): "0+30x60"},
        "A run has waited 15m 0s for a worker.",
        of_job(),
    ),
    "ThreadmillNobodyCounts": Case(
        {INFO: "1x60"}, "No worker counts the waiting runs of the fleet.", of_job()
    ),
    "ThreadmillApprovalsWait": Case(
        {selector("threadmill_oldest_parked_seconds", kind="approval"): "0+30x720"},
        "A run has waited 5h 0m 0s for an approval.",
        of_job(),
        at="5h",
    ),
    "ThreadmillProviderFails": Case(
        {
            selector(REQUESTS, model="m", outcome="unavailable"): "0+1x60",
            selector(REQUESTS, model="m", outcome="answered"): "0+1x60",
        },
        "50% of the requests to m are not answered.",
        of_job(model="m"),
    ),
    "ThreadmillKeyRejected": refused(
        "wrong_key", "75% of the requests to m are refused: the key is wrong, or has no right."
    ),
    "ThreadmillQuotaUsedUp": refused(
        "no_quota", "75% of the requests to m are refused: no quota is left."
    ),
    "ThreadmillModelMissing": refused(
        "no_model", "75% of the requests to m are refused: there is no such model or address."
    ),
    "ThreadmillProviderRefuses": refused(
        "refused", "75% of the requests to m are refused as such."
    ),
    "ThreadmillProviderUnusable": Case(
        {
            selector("threadmill_provider_state", instance="a:1", host="p", state="failing"): (
                "1x60"
            ),
            selector("threadmill_provider_state", instance="a:1", host="p", state="answering"): (
                "0x60"
            ),
            selector("threadmill_provider_state", instance="a:2", host="p", state="unknown"): (
                "1x60"
            ),
        },
        "The last request of every worker to p has failed.",
        of_job(host="p"),
    ),
    "ThreadmillWorkersGone": Case(
        {selector("threadmill_workers", state="alive"): "5x10 2x50"},
        "Less than half of the workers of the last hour are alive (2).",
        of_job(),
    ),
    "ThreadmillToolFails": Case(
        {
            selector(CALLS, tool="pay", outcome="timed_out"): "0+1x60",
            selector(CALLS, tool="pay", outcome="completed"): "0+1x60",
        },
        "50% of the calls of the tool pay fail.",
        of_job(tool="pay"),
    ),
    "ThreadmillToolThreadsFull": Case(
        {selector("threadmill_tool_threads", instance="a:1", state="waiting"): "3x60"},
        "3 tool calls of a:1 wait for a thread.",
        of_job(instance="a:1", state="waiting"),
    ),
    "ThreadmillToolThreadsAbandoned": Case(
        {selector("threadmill_tool_threads", instance="a:1", state="abandoned"): "2x60"},
        "2 tool calls of a:1 timed out and still run.",
        of_job(instance="a:1", state="abandoned"),
    ),
    "ThreadmillWorkersDie": Case(
        {selector("threadmill_recoveries_total", cause="lease"): "0x20 5x40"},
        "Runs were taken over from workers that died (lease).",
        of_job(cause="lease"),
    ),
    "ThreadmillMessagesLost": Case(
        {selector("threadmill_recoveries_total", cause="lost_message"): "0x20 5x40"},
        "Celery messages were lost, and their runs sent again.",
        of_job(),
    ),
    "ThreadmillRecoverySlow": Case(
        buckets("threadmill_recovery_seconds", "20", "60"),
        "Runs of dead workers stood still for 58s.",
        of_job(),
    ),
    "ThreadmillRedisSlow": Case(
        buckets("threadmill_store_roundtrip_seconds", "0.5", "1"),
        "Round trips to Redis take up to 995ms.",
        of_job(),
    ),
    "ThreadmillLoopBlocked": Case(
        {selector("threadmill_loop_lag_seconds_sum", instance="a:1"): "0+7.5x60"},
        "The event loop of a:1 was blocked for 25% of the time.",
        of_job(instance="a:1"),
    ),
    "ThreadmillVersionsDiffer": Case(
        {
            selector("threadmill_build_info", instance="a:1", version="1"): "1x720",
            selector("threadmill_build_info", instance="a:2", version="2"): "1x720",
        },
        "Workers of 2 versions have run for an hour.",
        of_job(),
        at="2h",
    ),
    "ThreadmillGatewayFails": Case(
        {
            selector(ANSWERS, instance="g:1", call="GET /v1/models", status="503"): "0+1x60",
            selector(ANSWERS, instance="g:2", call="GET /v1/models", status="200"): "0+3x60",
        },
        "25% of the requests to gateways fail.",
        of_job(),
    ),
    "ThreadmillGatewayFull": Case(
        {selector(ANSWERS, instance="g:1", call="GET /v1/models", status="429"): "0+1x60"},
        "The gateway g:1 turned 10 requests away in 5 minutes.",
        of_job(instance="g:1"),
    ),
}


SELDOM = " ".join(str(at // 10) for at in range(180))
"""Once in five minutes."""
ALSO_FIRING = {
    "the workers of one fleet are gone, and another fleet lives": (
        "ThreadmillNoWorker",
        Case(
            {INFO: "1x10 _x50", 'threadmill_build_info{job="other", instance="b:1"}': "1x60"},
            "No threadmill worker answers Prometheus.",
            of_job(),
        ),
    ),
    "the workers of a fleet are gone, and its gateways live": (
        "ThreadmillNoWorker",
        Case({INFO: "1x10 _x50", **GATEWAY}, "No threadmill worker answers Prometheus.", of_job()),
    ),
    "there has been no worker, but a gateway": (
        "ThreadmillNoWorker",
        Case(GATEWAY, "No threadmill worker answers Prometheus."),
    ),
    "a worker is down whenever it is not starting": (
        "ThreadmillWorkerRestarts",
        Case(
            {
                selector("process_start_time_seconds", instance="a:1"): " ".join(
                    f"{at} stale" for at in range(30)
                ),
                INFO: " ".join(["1", "stale"] * 30),
            },
            "a:1 was started 14 times in 15 minutes.",
            of_job(instance="a:1"),
            at="15m30s",
        ),
    ),
    "all of the few runs of an assistant fail": (
        "ThreadmillRunsFail",
        Case(
            {
                selector("threadmill_runs_total", assistant="Ada", status="failed"): SELDOM,
                selector("threadmill_runs_total", assistant="Ada", status="completed"): "5x180",
            },
            "100% of the runs of Ada fail or expire.",
            of_job(assistant="Ada"),
            at="70m",
        ),
    ),
    "the key has no right": (
        "ThreadmillKeyRejected",
        refused(
            "no_right", "75% of the requests to m are refused: the key is wrong, or has no right."
        ),
    ),
    "a loop was blocked once, for 20 s": (
        "ThreadmillLoopBlocked",
        Case(
            {selector("threadmill_loop_lag_seconds_sum", instance="a:1"): "0x24 19.5x36"},
            "The event loop of a:1 was blocked for 6.5% of the time.",
            of_job(instance="a:1"),
        ),
    ),
}
"""Incidents that look different from the usual ones, and the alerts that must not miss them."""
QUIET = {
    "gateways are a job of their own": {
        **{name.replace(JOB, "gateways"): values for name, values in GATEWAY.items()},
        selector(ANSWERS, instance="g:1", call="GET /v1/models", status="200"): "0+50x720",
    },
    "one request fails, and is answered when it is sent again": {
        selector(REQUESTS, model="seldom", outcome="answered"): "5x20 6x700",
        selector(REQUESTS, model="seldom", outcome="unavailable"): "0x20 1x700",
    },
    "one of few requests is refused": {
        selector(REQUESTS, model="seldom", outcome="answered"): "5x20 6x700",
        selector(REQUESTS, model="seldom", outcome="refused"): "0x20 1x700",
    },
    "two of few runs fail": {
        selector("threadmill_runs_total", assistant="Seldom", status="failed"): "0x20 2x700",
        selector("threadmill_runs_total", assistant="Seldom", status="completed"): "5x720",
    },
    "a loop was blocked once, for 5 s": {
        selector("threadmill_loop_lag_seconds_sum", instance="a:1"): "0x20 5x700",
    },
    "another worker is elected": {
        selector("threadmill_runs_queued", queue="threadmill"): "0x20 _ 0x699",
    },
}
"""What happens in a healthy fleet, too."""


def evaluate(folder: Path, *tests: dict[str, Any]) -> str:
    """What promtool has to say to these tests of the rules; empty: it is content."""
    need_prometheus()
    shutil.copy(ALERTS, folder)
    file = folder / "tests.yml"
    head = {"rule_files": [ALERTS.name], "evaluation_interval": "30s"}
    file.write_text(yaml.safe_dump({**head, "tests": list(tests)}))
    command = ["promtool", "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def played(series: dict[str, str]) -> dict[str, Any]:
    return {
        "interval": "30s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
    }


def test_every_alert_has_series_that_make_it_fire() -> None:
    assert {rule["alert"] for rule in rules()} == set(FIRING)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_fires_with_its_labels_and_its_words(rule: dict[str, Any], tmp_path: Path) -> None:
    assert lacking_of(FIRING[rule["alert"]], rule, tmp_path) == ""


@pytest.mark.parametrize("incident", ALSO_FIRING)
def test_an_alert_misses_no_form_of_its_incident(incident: str, tmp_path: Path) -> None:
    name, case = ALSO_FIRING[incident]
    [rule] = [one for one in rules() if one["alert"] == name]
    assert lacking_of(case, rule, tmp_path) == ""


def lacking_of(case: Case, rule: dict[str, Any], folder: Path) -> str:
    """What promtool misses of an alert in a case; empty: it fires as it should."""
    said = {**rule["annotations"], "summary": case.summary}
    if case.description:
        said["description"] = case.description
    expected = {"exp_labels": {**case.labels, **rule["labels"]}, "exp_annotations": said}
    wanted = {"eval_time": case.at, "alertname": rule["alert"], "exp_alerts": [expected]}
    return evaluate(folder, {**played(case.series), "alert_rule_test": [wanted]})


@pytest.mark.parametrize("event", QUIET)
def test_no_alert_fires_for_what_happens_in_a_healthy_fleet(event: str, tmp_path: Path) -> None:
    times = [
        {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{at}m", "exp_samples": []}
        for at in range(10, 25)
    ]
    series = {**HEALTHY, **QUIET[event]}
    assert evaluate(tmp_path, {**played(series), "promql_expr_test": times}) == ""


def test_in_a_healthy_fleet_no_alert_fires_and_none_is_pending(tmp_path: Path) -> None:
    times = [
        {"expr": "count(ALERTS)", "eval_time": at, "exp_samples": []} for at in ("30m", "3h", "6h")
    ]
    assert evaluate(tmp_path, {**played(HEALTHY), "promql_expr_test": times}) == ""


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    need_prometheus()
    command = ["promtool", "check", "rules", str(ALERTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
