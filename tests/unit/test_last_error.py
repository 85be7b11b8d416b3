"""Why a run failed, as it is stored."""

from __future__ import annotations

import pytest
from pydantic_core import from_json, to_json

from threadmill_shared import errors
from threadmill_shared.records.last_error import LastError
from threadmill_shared.records.run import RunRecord

OTHERS = [
    *errors.ModelError.__subclasses__(),
    errors.ToolArgumentsInvalid,
    errors.ToolRejected,
    KeyError,
]


def record(last_error: str) -> RunRecord:
    fields = {"thread_id": "thread_1", "status": "failed", "queue": "threadmill"}
    return RunRecord.read("run_1", fields | {"last_error": last_error})


def test_its_message_begins_with_its_name() -> None:
    assert LastError.of("deadline", "Too slow.").message == "deadline: Too slow."


def test_it_is_read_as_it_was_written() -> None:
    error = LastError.of("ModelRefused", "No more.", "invalid_prompt")
    assert record(to_json(error).decode()).last_error == error


def test_its_fields_are_stored_in_one_order_because_digests_hold_them() -> None:
    assert list(from_json(to_json(LastError.of("a", "b")))) == ["code", "name", "message"]


def test_text_that_no_json_can_hold_is_escaped() -> None:
    assert LastError.of("ModelRefused", "\ud800!").message == r"ModelRefused: \ud800!"


def test_one_that_this_release_cannot_read_is_left_out_and_the_run_can_be_read() -> None:
    found = record('{"code": "of_a_later_release", "name": "a", "message": "b"}')
    assert found.last_error is None
    assert "last_error" in found.unreadable


@pytest.mark.parametrize("name", ["ToolNotFound", "ToolInterrupted", "worker_lost", "deadline"])
def test_the_log_shows_what_threadmill_says_itself(name: str) -> None:
    assert LastError.of(name, "It has no worker.").for_log == f"{name}: It has no worker."


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: error.__name__)
def test_the_log_shows_no_words_of_others(error: type[Exception]) -> None:
    assert LastError.of(error.__name__, "as a user said").for_log == error.__name__
