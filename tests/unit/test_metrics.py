"""What a worker counts, as Prometheus reads it: names, labels and their bounds."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.process_collector import ProcessCollector
from tests.support.pages import code, page, rows
from tests.support.scrapes import Scrape
from tests.support.waiting import wait_until_async

from threadmill_shared import errors
from threadmill_shared.model import Usage
from threadmill_shared.records.definition import Definition, RunSnapshot
from threadmill_shared.records.run import TERMINAL, RunRecord, Status
from threadmill_shared.tools import EndRun
from threadmill_shared.tools.runner import ToolResult
from threadmill_shared.tools.thread_counts import ThreadCounts
from threadmill_workers.execution.request_measurement import RequestMeasurement
from threadmill_workers.execution.tool_calls import ToolCalls
from threadmill_workers.metrics import loop_lag
from threadmill_workers.metrics.bounded_names import BoundedNames
from threadmill_workers.metrics.prometheus import MOST_NAMES, PrometheusMetrics
from threadmill_workers.metrics.recorder import MetricsRecorder


@pytest.fixture
def metrics() -> PrometheusMetrics:
    return PrometheusMetrics("tm")


def scraped(metrics: PrometheusMetrics) -> Scrape:
    return Scrape.read(generate_latest(metrics.registry).decode())


def record_of(assistant: str) -> RunRecord:
    fields = {"thread_id": "thread_00", "status": "in_progress", "queue": "tm"}
    request = RunSnapshot(assistant_id="asst", assistant_name=assistant, model="m", instructions="")
    return dataclasses.replace(RunRecord.read("run_00", fields), request=request, started_at=1)


def test_the_page_lists_every_metric_with_its_type_and_labels(metrics):
    """Families whose samples have a suffix are listed by the name that queries use."""
    header = ("metric", "type", "labels", "meaning", "if it is unusual")
    listed = {
        code(row[0]): (row[1], re.findall(r"`(\w+)`", row[2]))
        for row in rows(page("metrics"), *header)
    }
    assert listed == dict(described(metrics))
    assert all(row[3] and row[4] for row in rows(page("metrics"), *header))


def described(metrics: PrometheusMetrics) -> Iterator[tuple[str, tuple[str, list[str]]]]:
    for collector in set(metrics.registry._names_to_collectors.values()):
        if isinstance(collector, ProcessCollector):
            continue
        for family in collector.describe():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
            yield name, (family.type, list(labels))


def test_the_page_lists_every_metric_of_the_process(metrics):
    listed = set(re.findall(r"`(process_\w+)`", page("metrics")))
    served = {
        f"{one.name}_total" if one.type == "counter" else one.name
        for one in ProcessCollector(registry=None).collect()
    }
    assert listed == served


def test_each_end_counts_with_its_assistant_and_status(metrics):
    metrics.note_end(record_of("Marvin"), Status.COMPLETED, 2.0)
    metrics.note_end(record_of("Marvin"), Status.FAILED, 3.0)
    found = scraped(metrics)
    for status in ("completed", "failed"):
        assert found.values("threadmill_runs_total", assistant="Marvin", status=status) == [1]
    assert found.values("threadmill_run_duration_seconds_sum") == [5]


def test_a_run_that_nobody_has_begun_ends_without_a_duration(metrics):
    record = dataclasses.replace(record_of("Marvin"), started_at=None)
    metrics.note_end(record, Status.EXPIRED, 9.0)
    found = scraped(metrics)
    assert found.values("threadmill_runs_total", status="expired") == [1]
    assert found.values("threadmill_run_duration_seconds_count") == [0]


def test_assistants_beyond_the_limit_share_a_series(metrics):
    for number in range(MOST_NAMES + 5):
        metrics.note_end(record_of(f"of customer {number}"), Status.COMPLETED, 1.0)
    found = scraped(metrics)
    assert len(found.labels("threadmill_runs_total", "assistant")) == MOST_NAMES + 1
    assert found.values("threadmill_runs_total", assistant="other") == [5]


def test_a_name_that_was_kept_keeps_its_series_when_the_limit_is_reached():
    names = BoundedNames(1)
    assert [names.label(name) for name in ("a", "b", "a")] == ["a", "other", "a"]


def test_a_long_name_is_cut():
    assert BoundedNames(1).label("x" * 5000) == "x" * 100


@pytest.mark.parametrize(
    ("name", "note", "usual"),
    [
        ("threadmill_queue_wait_seconds", "note_claim", (0.02, 0.3, 20, 1200)),
        ("threadmill_time_to_first_token_seconds", "note_first_piece", (0.1, 1.5, 50)),
        ("threadmill_turn_duration_seconds", "note_turn", (0.4, 15, 550)),
    ],
)
def test_usual_values_lie_between_two_ends_of_buckets(metrics, name, note, usual):
    """So that what is computed from the buckets is of the right size."""
    getattr(metrics, note)(usual[0])
    ends = sorted(map(float, scraped(metrics).labels(f"{name}_bucket", "le")))
    for value in usual:
        below = max((end for end in ends if end < value), default=0)
        above = min(end for end in ends if end >= value)
        assert above <= 4 * below, (value, below, above)


def test_the_build_tells_version_and_namespace(metrics):
    [value] = scraped(metrics).values("threadmill_build_info", namespace="tm")
    assert value == 1


def test_what_has_not_happened_to_an_assistant_of_the_worker_is_shown_as_0(metrics):
    metrics.expect([Definition(id="asst", name="Ada", model="m-1")])
    found = scraped(metrics)
    assert found.values("threadmill_runs_total", assistant="Ada", status="failed") == [0]
    assert found.labels("threadmill_runs_total", "status") == set(TERMINAL)
    assert found.values("threadmill_model_requests_total", model="m-1", outcome="refused") == [0]
    assert found.values("threadmill_recoveries_total", cause="lease") == [0]


def test_no_series_says_when_another_one_began(metrics):
    metrics.note_end(record_of("Marvin"), Status.COMPLETED, 2.0)
    assert "_created" not in scraped(metrics).text


# ---- models and tools ----------------------------------------------------------------------------


def test_requests_retries_and_tokens_count_by_model_and_outcome(metrics):
    metrics.note_request("gpt-5.4-mini", "unavailable")
    metrics.note_retry("unavailable")
    metrics.note_request("gpt-5.4-mini", "answered")
    metrics.note_tokens("gpt-5.4-mini", Usage(prompt_tokens=30, completion_tokens=4))
    found = scraped(metrics)
    for outcome in ("unavailable", "answered"):
        assert found.values(
            "threadmill_model_requests_total", model="gpt-5.4-mini", outcome=outcome
        ) == [1]
    assert found.values("threadmill_model_retries_total", reason="unavailable") == [1]
    assert found.values("threadmill_tokens_total", kind="input") == [30]
    assert found.values("threadmill_tokens_total", kind="output") == [4]


def test_a_count_of_tokens_that_a_provider_made_negative_does_no_harm(metrics):
    metrics.note_tokens("m", Usage(prompt_tokens=-1, completion_tokens=2))
    assert scraped(metrics).values("threadmill_tokens_total", kind="input") == [0]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (errors.ModelUnavailable("", rate_limited=True), "rate_limited"),
        (errors.ModelUnavailable(""), "unavailable"),
        (errors.ModelGarbled(""), "garbled"),
        (errors.ContextTooLong(""), "too_long"),
        (errors.ModelRefused(""), "refused"),
        (errors.ModelRefused("", status=400, code="unknown_parameter"), "refused"),
        (errors.ModelRefused("", status=401), "wrong_key"),
        (errors.ModelRefused("", code="invalid_api_key"), "wrong_key"),
        (errors.ModelRefused("", status=403), "no_right"),
        (errors.ModelRefused("", status=403, reason="flagged by moderation"), "refused"),
        (errors.ModelRefused("", status=402), "no_quota"),
        (errors.ModelRefused("", status=429, code="insufficient_quota"), "no_quota"),
        (errors.ModelRefused("", status=404, code="model_not_found"), "no_model"),
        (errors.ModelRefused("", status=400, code="model_not_found"), "no_model"),
        (errors.ModelRefused("", status=404, reason="Item with id 'rs_1' not found."), "refused"),
        (asyncio.CancelledError(), "interrupted"),
    ],
)
def test_a_request_that_fails_counts_once_by_its_error(metrics, error, outcome):
    measurement = RequestMeasurement(metrics, "m")
    with pytest.raises(type(error)), measurement.request():
        raise error
    found = scraped(metrics)
    assert found.labels("threadmill_model_requests_total", "outcome") == {outcome}
    assert found.total("threadmill_model_requests_total") == 1


def test_a_request_whose_answer_cannot_be_stored_was_answered(metrics):
    measurement = RequestMeasurement(metrics, "m")

    def lose_the_answer() -> None:
        with measurement.request():
            measurement.note_first_piece()
            measurement.note_answer(Usage())
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        lose_the_answer()
    found = scraped(metrics)
    assert found.labels("threadmill_model_requests_total", "outcome") == {"answered"}
    assert found.values("threadmill_time_to_first_token_seconds_count") == [1]


@dataclass
class Runner:
    """Ends each call in the same way."""

    end: ToolResult | BaseException

    async def call(self, *_: object) -> ToolResult:
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (ToolResult("42"), "completed"),
        (ToolResult("no", failed=True, error="KeyError"), "failed"),
        (ToolResult("late", failed=True, error="ToolTimedOut"), "timed_out"),
        (ToolResult("what?", failed=True, error="ToolArgumentsInvalid"), "invalid_arguments"),
        (ToolResult("", end=EndRun()), "ended_run"),
        (asyncio.CancelledError(), "interrupted"),
    ],
)
async def test_a_tool_call_counts_once_by_its_end(metrics, end, outcome):
    tool = SimpleNamespace(spec=SimpleNamespace(name="pay"))
    others: Any = dict.fromkeys(("router", "registry", "history", "wait_for_lease"))
    held: Any = SimpleNamespace(record=None)
    runner: Any = Runner(end)
    calls: Any = ToolCalls(held=held, runner=runner, metrics=metrics, **others)
    with contextlib.suppress(asyncio.CancelledError):
        await calls._measured(tool, "{}", None)
    name = "threadmill_tool_duration_seconds_count"
    assert scraped(metrics).labels(name, "outcome") == {outcome}
    assert scraped(metrics).values(name, tool="pay") == [1]


# ---- the process ---------------------------------------------------------------------------------


def test_of_many_round_trips_in_a_moment_one_is_measured(metrics):
    for _ in range(1000):
        metrics.note_round_trip(0.001)
    [counted] = scraped(metrics).values("threadmill_store_roundtrip_seconds_count")
    assert 1 <= counted < 100


async def test_a_blocked_event_loop_shows_as_lag(metrics, monkeypatch):
    monkeypatch.setattr(loop_lag, "LAG_SECONDS", 0.05)
    measuring = asyncio.ensure_future(loop_lag.measure_loop_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(0.3)
    await wait_until_async(lambda: scraped(metrics).total("threadmill_loop_lag_seconds_count"))
    measuring.cancel()
    assert scraped(metrics).total("threadmill_loop_lag_seconds_sum") >= 0.2


def test_what_is_in_use_is_read_at_the_scrape(metrics):
    running = [0]
    metrics.watch(
        running=lambda: running[0],
        tool_threads=lambda: ThreadCounts(limit=64, busy=3, abandoned=2, waiting=1),
    )
    running[0] = 7
    found = scraped(metrics)
    assert found.values("threadmill_runs_in_progress") == [7]
    for state, count in (("limit", 64), ("busy", 3), ("abandoned", 2), ("waiting", 1)):
        assert found.values("threadmill_tool_threads", state=state) == [count]


def test_the_recorder_of_a_worker_without_metrics_takes_the_same_calls_and_keeps_nothing():
    kept = {name for name in vars(PrometheusMetrics) if name.startswith("note_")}
    assert kept == {name for name in vars(MetricsRecorder) if name.startswith("note_")}
    for name in kept:
        ours = inspect.signature(getattr(PrometheusMetrics, name))
        assert ours == inspect.signature(getattr(MetricsRecorder, name)), name


def test_the_providers_state_is_read_at_the_scrape(metrics):
    conditions = ["unknown"]
    metrics.watch_provider("api.example:443", lambda: conditions[-1])
    name = "threadmill_provider_state"
    for condition in ("unknown", "answering", "failing"):
        conditions.append(condition)
        found = scraped(metrics)
        assert found.values(name, state=condition, host="api.example:443") == [1]
        assert found.total(name) == 1
