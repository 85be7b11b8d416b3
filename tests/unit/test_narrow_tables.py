"""On 80 columns, lists keep what the next command needs."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from threadmill.cli import runs, waiting_calls
from threadmill.cli.call_names import is_call_named
from threadmill.inspection.approvals import WaitingCall
from threadmill.inspection.run_list import ListedRun
from threadmill_shared import ids

NOW = time.time()
RUN = ListedRun(
    id="run_" + 32 * "a",
    thread_id="thread_" + 32 * "b",
    status="completed",
    assistant="support-germany",
    model="gpt-5.4-mini",
    attempts=1,
    worker="web-1.internal:47110",
    created_at=NOW - 4000,
    started_at=NOW - 3599,
    ended_at=NOW,
    duration_seconds=3599,
    prompt_tokens=12_000,
    completion_tokens=900,
    error=None,
    error_message=None,
)
FAILED = replace(
    RUN,
    status="failed",
    error="ModelUnavailable",
    error_message="ModelUnavailable: " + 20 * "The provider cannot be reached. ",
)
OLD = replace(RUN, started_at=NOW - 40 * 86_400)
WAITS = replace(RUN, status="requires_action", ended_at=None, duration_seconds=None)
CALL = WaitingCall(
    run_id=RUN.id,
    thread_id=RUN.thread_id,
    assistant=RUN.assistant,
    call_id=ids.call_id(RUN.id, 1, 0),
    tool="refund_order_of_customer",
    waits_for="approval",
    since=NOW - 4000,
    expires_at=NOW + 4000,
)


def plain(lines: list[str]) -> list[str]:
    found = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(map(len, found)) <= 80
    return found


def listed(*found: ListedRun, known: tuple[str, ...] = ()) -> list[str]:
    return plain(runs._table(found, known).lines(80))


def calls(*found: WaitingCall) -> list[str]:
    return plain(waiting_calls._table(list(found), with_arguments=False).lines(80))


def test_runs_keep_their_assistant_and_duration_and_show_a_short_start() -> None:
    head, first, old = listed(RUN, OLD)
    assert head.split() == ["run", "status", "start", "duration", "assistant"]
    assert re.search(r" completed  \d\d[:-]\d\d  59m59s    support-g\w+…", first)
    assert re.search(r" completed  \d\d-\d\d  ", old)
    assert "  59 min 59 s" in runs._table([RUN]).lines(None)[1]


def test_a_failed_run_keeps_its_assistant_and_the_whole_name_of_its_error() -> None:
    head, *rows = listed(FAILED, FAILED, known=("status",))
    assert head.split() == ["run", "start", "assistant", "error"]
    assert all(row.endswith("  ModelUnavailable") for row in rows)
    head, row = listed(FAILED)
    assert head.split() == ["run", "status", "assistant", "error"]
    assert row.endswith("  ModelUnavailable")


def test_what_was_asked_for_stays_if_there_is_room() -> None:
    table = runs._table([FAILED], ("status",))
    assert "status" in table.lines(None)[0]


def test_of_runs_with_long_states_assistant_and_error_are_cut_and_not_left_out() -> None:
    head, waits, failed = listed(WAITS, FAILED)
    assert head.split() == ["run", "status", "assistant", "error"]
    assert waits.endswith("  -")
    assert re.search(r"  support-g\w*…  ModelUnav\w*…$", failed)


def test_waiting_calls_keep_run_call_tool_and_assistant() -> None:
    head, row = calls(CALL)
    assert head.split() == ["run", "tool", "since", "call", "assistant"]
    assert re.search(r"^run_a{32}  refund_\w*…  \d\d[:-]\d\d  1_0   support-g", row)


@pytest.mark.parametrize(
    ("call_id", "name", "is_it"),
    [
        (CALL.call_id, "1_0", True),
        (CALL.call_id, CALL.call_id, True),
        (CALL.call_id, "1_", False),
        (CALL.call_id, "_1_0", False),
        (CALL.call_id, "", False),
        ("call_foreign", "call_foreign", True),
        ("call_foreign", "foreign", False),
    ],
)
def test_a_call_is_named_by_its_id_or_by_what_follows_its_runs_digits(
    call_id: str, name: str, is_it: bool
) -> None:
    assert is_call_named(RUN.id, call_id, name) is is_it
