"""The quick way of runs into an answer gives what the long way gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from threadmill_gateway.objects import runs, stored_runs
from threadmill_shared.errors import StoreIncompatible
from threadmill_shared.records.run import Status
from threadmill_shared.records.stored_run import StoredRun

texts = some.text(some.characters(codec="utf-8"), max_size=20)
pairs = some.dictionaries(texts, texts, max_size=2)
times = some.integers(0, 2**41).map(str)
options = some.fixed_dictionaries(
    {},
    optional={
        "metadata": pairs,
        "temperature": some.sampled_from([None, 0, 1.5]),
        "max_completion_tokens": some.integers(1, 9),
        "tool_choice": some.sampled_from(["none", {"type": "file_search"}]),
        "truncation_strategy": some.just({"type": "last_messages", "last_messages": 3}),
        "later": texts,
    },
)
requests = some.fixed_dictionaries(
    {
        "assistant_id": some.just("asst_1"),
        "assistant_name": some.just("ai"),
        "model": some.just("m"),
        "instructions": texts,
    },
    optional={"options": options, "later": texts},
)
stored_fields = some.fixed_dictionaries(
    {
        "thread_id": some.just("thread_1"),
        "status": some.sampled_from([*Status, "later"]),
        "request": some.one_of(requests.map(json.dumps), some.sampled_from(["", "{}", "[]"])),
        "queue": some.just("q"),
    },
    optional={
        **dict.fromkeys(("created_at", "started_at", "ended_at", "deadline"), times),
        "metadata": some.one_of(pairs.map(json.dumps), some.sampled_from(["", "{", "[1]"])),
        "usage": some.sampled_from(['{"total_tokens":3}', "", "3", "{"]),
        "last_error": some.sampled_from(
            ["", '{"code":"server_error","name":"deadline","message":"deadline: 3 s"}', "3"]
        ),
        "reason": some.sampled_from(["", '"max_completion_tokens"', '"content_filter"']),
    },
)


@given(stored_fields)
def test_a_run_is_the_same_both_ways(fields: dict[str, str]) -> None:
    stored = StoredRun("run_1", fields)
    try:
        expected = runs.run(stored.read(), [], "thread_2")
    except StoreIncompatible:
        with pytest.raises(StoreIncompatible):
            stored_runs.plain(stored, "thread_2")
        return
    assert stored_runs.plain(stored, "thread_2") in (expected, None)


@given(requests, some.sampled_from(["queued", "in_progress", "completed", "cancelled"]), pairs)
def test_most_runs_go_the_quick_way(
    request: dict[str, Any], status: str, metadata: dict[str, str]
) -> None:
    fields = {
        "thread_id": "thread_1",
        "status": status,
        "request": json.dumps(request),
        "metadata": json.dumps(metadata),
        "queue": "q",
    }
    assert stored_runs.plain(StoredRun("run_1", fields), "thread_1") is not None


@given(requests)
def test_an_answer_does_not_change_later_ones(request: dict[str, Any]) -> None:
    fields = {"thread_id": "thread_1", "status": "queued", "request": json.dumps(request)}
    stored = StoredRun("run_1", fields)
    first = stored_runs.plain(stored, "thread_1")
    again = stored_runs.plain(StoredRun("run_2", fields), "thread_2")
    assert first is not None
    assert again == first | {"id": "run_2", "thread_id": "thread_2"}
    assert stored_runs.plain(stored, "thread_1") == first
