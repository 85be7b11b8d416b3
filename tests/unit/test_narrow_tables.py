"""On 80 columns, lists keep what the next command needs."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from threadmill.cli import runs, waiting_calls
from threadmill.cli.approvals import _named
from threadmill.inspection.approvals import WaitingCall
from threadmill.inspection.run_list import ListedRun
from threadmill_shared.records.objects import RequiredCall, RequiredFunction

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
    call_id="call_" + 32 * "c",
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
    assert head.split() == ["run", "tool", "call", "assistant"]
    assert re.search(r"^run_a{32}  refund_\w+…  call_c{7}  support-g\w+…$", row)
    head, row = calls(replace(CALL, tool="pay", assistant="shop"))
    assert head.split() == ["run", "tool", "since", "call", "assistant"]


def test_so_much_of_a_calls_id_is_shown_that_it_differs_from_the_others_of_its_run() -> None:
    alike = replace(CALL, call_id="call_" + 14 * "c" + 18 * "d")
    elsewhere = replace(CALL, run_id="run_" + 32 * "e")
    short = waiting_calls._beginnings([CALL, alike, elsewhere])
    assert short == {
        (CALL.run_id, CALL.call_id): "call_" + 15 * "c",
        (CALL.run_id, alike.call_id): "call_" + 14 * "c" + "d",
        (elsewhere.run_id, CALL.call_id): "call_" + 7 * "c",
    }


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("call_aaaaaaaa", "call_aaaaaaaa"),
        ("call_aaaaaaaab", "call_aaaaaaaabbb"),
        ("call_bbbbbbb", "call_bbbbbbbb"),
        ("call_bbbbbb", None),
        ("call_aaaaaaa", None),
        ("call_cccccccc", None),
        ("", None),
    ],
)
def test_a_call_is_named_by_its_id_or_by_a_beginning_that_no_other_has(
    given: str, found: str | None
) -> None:
    waiting = [required(id) for id in ("call_aaaaaaaa", "call_aaaaaaaabbb", "call_bbbbbbbb")]
    named = _named(waiting, given)
    assert (named.id if named else None) == found


def required(id: str) -> RequiredCall:
    function = RequiredFunction(name="pay", arguments="{}")
    return RequiredCall(id=id, function=function, waits_for="approval")
