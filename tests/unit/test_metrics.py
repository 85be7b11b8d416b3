"""What a worker counts, as Prometheus reads it: names, labels and their bounds."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from prometheus_client.process_collector import ProcessCollector
from tests.support.pages import code, page, rows
from tests.support.scrapes import Scrape

from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.run import RunRecord, Status
from threadmill_workers.metrics.bounded_names import BoundedNames
from threadmill_workers.metrics.prometheus import MOST_NAMES, PrometheusMetrics


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


def test_the_build_tells_version_and_namespace(metrics):
    [value] = scraped(metrics).values("threadmill_build_info", namespace="tm")
    assert value == 1
