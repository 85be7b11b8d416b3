"""What one look at a fleet makes of what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from threadmill.inspection.fleet import SlotCounts
from threadmill.inspection.providers import provider_views
from threadmill.inspection.queues import queue_views
from threadmill.inspection.tools import tool_versions
from threadmill.inspection.workers import WorkerView
from threadmill_shared.records.waiting import QueuedRuns
from threadmill_shared.records.worker_state import NO_SUCH_MODEL_CAUSE, ProviderState

WORKER = WorkerView(
    worker="web:1",
    id="web:1:aaaa",
    condition="alive",
    since=1,
    running=0,
    slots=10,
    version="1.0",
    modules=(),
    queues=("tm", "tm.begun", "tm.aaaa"),
    own_queue="tm.aaaa",
    assistants={},
    tools={"shop:find": "d1"},
    tool_threads=None,
    provider=None,
)


def provider(state: str, since: int, **more: Any) -> WorkerView:
    shown = ProviderState(host="api", api="chat", state=state, since=since, **more)
    return replace(WORKER, provider=shown)


def test_a_provider_fails_if_it_does_for_any_worker_and_each_cause_has_its_workers() -> None:
    views = provider_views(
        [
            provider("answering", 1),
            provider("failing", 30, cause="refused", failed_at=40),
            provider("failing", 20, cause="refused", failed_at=35),
            provider("failing", 25, cause="the key is wrong"),
            provider("unknown", 0),
            WORKER,
        ]
    )
    assert [(v.state, v.cause, v.since, v.failing_workers, v.workers) for v in views] == [
        ("failing", "refused", 20, 2, 5),
        ("failing", "the key is wrong", 25, 1, 5),
    ]
    assert views[0].failed_at == 40


def test_a_model_that_a_provider_lacks_neither_hides_a_cause_nor_is_hidden_by_one() -> None:
    lacks = {"missing_models": {"gpt-nope": 50}}
    views = provider_views([provider("answering", 1, **lacks), provider("answering", 2)])
    assert [(v.state, v.cause, v.failing_workers) for v in views] == [
        ("answering", None, 0),
        ("failing", f"{NO_SUCH_MODEL_CAUSE}: gpt-nope", 1),
    ]
    assert views[1].failed_at == 50
    views = provider_views([provider("failing", 1, cause="the key is wrong", **lacks)])
    assert [v.cause for v in views] == [
        "the key is wrong",
        f"{NO_SUCH_MODEL_CAUSE}: gpt-nope",
    ]
    [only] = provider_views([provider("failing", 1, cause=NO_SUCH_MODEL_CAUSE, **lacks)])
    assert only.cause == NO_SUCH_MODEL_CAUSE


def test_a_failure_of_long_ago_says_when_the_last_request_was() -> None:
    [view] = provider_views([provider("failing", 1, failed_at=100), provider("failing", 1)])
    assert view.age_of_failure(now=130) == ""
    assert view.age_of_failure(now=700) == "; its last request was 10 min ago"
    [unknown] = provider_views([provider("failing", 1)])
    assert unknown.age_of_failure(now=700) == ""


def test_a_provider_that_nobody_has_asked_is_unknown_and_silent_workers_do_not_count() -> None:
    [view] = provider_views([provider("unknown", 0)])
    assert (view.state, view.since, view.cause) == ("unknown", 0, None)
    silent = replace(provider("failing", 1), condition="silent")
    assert provider_views([silent]) == []


def test_providers_of_several_hosts_and_apis_are_told_apart() -> None:
    other = replace(
        WORKER, provider=ProviderState(host="b", api="chat", state="answering", since=1)
    )
    views = provider_views([provider("failing", 1), other])
    assert [(view.host, view.state) for view in views] == [("api", "failing"), ("b", "answering")]


def test_a_queue_has_its_runs_its_oldest_its_messages_and_its_workers() -> None:
    queued = [
        QueuedRuns("tm", has_begun=False, runs=2, oldest_seconds=9.0),
        QueuedRuns("tm", has_begun=True, runs=1, oldest_seconds=1.0),
        QueuedRuns("tm.far", has_begun=False, runs=1, oldest_seconds=0.5),
    ]
    silent = replace(WORKER, condition="silent")
    stopping = replace(WORKER, condition="stopping")
    views = queue_views(
        namespace="tm",
        queued=queued,
        workers=[WORKER, silent, stopping],
        lengths={"tm": 7, "tm.begun": 0, "tm.other": 2, "tm.empty": 0},
    )
    assert [(v.name, v.runs, v.oldest_seconds, v.messages, v.workers) for v in views] == [
        ("tm", 2, 9.0, 7, 1),
        ("tm.begun", 1, 1.0, 0, 1),
        ("tm.far", 1, 0.5, None, 0),
        ("tm.other", 0, None, 2, 0),
    ]


def test_versions_of_a_tool_differ_if_workers_have_several() -> None:
    same = replace(WORKER, worker="web:2")
    other = replace(WORKER, worker="web:3", tools={"shop:find": "d2", "shop:buy": "d3"})
    versions = tool_versions([WORKER, same, other])
    assert [(v.identity, v.digest, v.workers, v.differs) for v in versions] == [
        ("shop:buy", "d3", ("web:3",), False),
        ("shop:find", "d1", ("web:1", "web:2"), True),
        ("shop:find", "d2", ("web:3",), True),
    ]


def test_slots_that_a_worker_does_not_name_may_be_more_than_are_used() -> None:
    mute = replace(WORKER, running=1, slots=None)
    assert SlotCounts.of([mute]) == SlotCounts(total=1, used=1, is_complete=False)
    assert SlotCounts.of([WORKER, mute]) == SlotCounts(total=11, used=1, is_complete=False)
    stopping = replace(mute, condition="stopping")
    assert SlotCounts.of([WORKER, stopping]) == SlotCounts(total=11, used=1)
