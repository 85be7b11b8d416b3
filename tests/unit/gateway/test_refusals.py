"""Texts that programs match: the patterns are theirs."""

from __future__ import annotations

import re

import pytest

from threadmill_gateway.answers import refusals
from threadmill_gateway.answers.api_error import ApiError

THREAD, RUN = "thread_0a1b2c", "run_0f9e8d"


@pytest.mark.parametrize(
    ("error", "pattern"),
    [
        (
            refusals.thread_takes_no_messages(THREAD, RUN),
            r"Can't add messages to thread_([a-zA-Z0-9]+) while a run run_([a-zA-Z0-9]+) is active",
        ),
        (refusals.thread_takes_no_messages(THREAD, RUN), r"while a run (run_\w+)"),
        (
            refusals.thread_has_active_run(THREAD, RUN),
            r"^Thread (\w+) already has an active run (\w+)\.$",
        ),
        (
            refusals.run_takes_no_outputs("completed"),
            r'^Runs in status "completed" do not accept tool outputs\.$',
        ),
        (
            refusals.outputs_do_not_fit(["call_a", "call_b"], ["call_a"]),
            r"^Expected tool outputs for call_ids \['call_a', 'call_b'\], got \['call_a'\]$",
        ),
        (
            refusals.outputs_given_twice(["call_a", "call_a"]),
            r"^Duplicate call_ids submitted: \['call_a', 'call_a'\]$",
        ),
        (
            refusals.run_cannot_be_cancelled("cancelled"),
            r"^Cannot cancel run with status 'cancelled'\.$",
        ),
        (refusals.not_found("thread", THREAD), r"^No thread found with id 'thread_0a1b2c'\.$"),
        (refusals.not_found("assistant", "asst_1"), r"^No assistant found with id 'asst_1'\.$"),
        (
            refusals.invalid_id("thread_id", "undefined", "thread"),
            r"^Invalid 'thread_id': 'undefined'\. Expected an ID that begins with 'thread'\.$",
        ),
        (refusals.internal_error(), r"The server had an error processing your request"),
    ],
)
def test_programs_find_the_words_that_they_look_for(error: ApiError, pattern: str) -> None:
    message = error.error["message"]
    assert re.search(pattern, message)
    # SDKs for Python before 3.0 show the body as Python writes it.
    assert re.search(pattern, str({"error": error.error})) or pattern.startswith("^")


@pytest.mark.parametrize("text", ['it\'s "so"', "'a' \"b\"", 'say "x"', "can't"])
def test_no_message_has_both_kinds_of_quotation_marks(text: str) -> None:
    message = ApiError(400, text).error["message"]
    assert not ("'" in message and '"' in message)


@pytest.mark.parametrize("error", [refusals.too_much("x"), refusals.unavailable("x")])
def test_an_error_that_passes_says_when_to_try_again(error: ApiError) -> None:
    assert int(error.headers["retry-after-ms"]) > 0
    assert int(error.headers["retry-after"]) > 0


def test_an_error_in_a_stream_has_both_forms() -> None:
    event = refusals.internal_error().event
    assert event["message"] == event["error"]["message"]
