"""Errors are copied whole: Celery, multiprocessing and concurrent.futures send them pickled."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from threadmill import errors
from threadmill_shared.errors import ThreadmillError
from threadmill_shared.model import FileRefused
from threadmill_shared.tools.call_context import NoCurrentCall

WITH_ATTRIBUTES: list[ThreadmillError] = [
    errors.EventsExpired("too late", first=3, last=9),
    errors.ThreadLocked("busy", run_id="run_1"),
    errors.NotWaiting("busy", status="queued"),
    errors.WrongOutputs("no", status="requires_action", expected=["call_1"], given=["call_2"]),
    errors.NotAllEnqueued(runs=["run_1", None], errors={1: errors.BadMessage("empty")}),
    errors.RunFailed("it failed", run="run_1"),
    errors.WaitTimeout("too late", run="run_1"),
    errors.ModelRefused("no", status=400, code="bad", param="input", reason="because"),
    errors.ModelUnavailable("busy", retry_after=3.0, rate_limited=True),
    errors.ContextTooLong("too long", in_bytes=True),
]
WITH_A_MESSAGE_ONLY = [
    kind
    for kind in [*(getattr(errors, name) for name in errors.__all__), FileRefused, NoCurrentCall]
    if not any(type(error) is kind for error in WITH_ATTRIBUTES)
]
ALL = [*WITH_ATTRIBUTES, *(kind("a sentence") for kind in WITH_A_MESSAGE_ONLY)]


def by_pickle(error: Any) -> Any:
    return pickle.loads(pickle.dumps(error))


def plain(error: Exception) -> Any:
    """All that it says; errors are compared by identity otherwise."""
    values = {
        name: {index: plain(one) for index, one in value.items()} if name == "errors" else value
        for name, value in vars(error).items()
    }
    return type(error), str(error), error.args, values


@pytest.mark.parametrize("copied", [by_pickle, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_a_copy_says_the_same(error: ThreadmillError, copied: Callable[[Any], Any]) -> None:
    error.add_note("a note")
    found = copied(error)
    assert found is not error
    assert plain(found) == plain(error)


def test_all_public_errors_are_copied() -> None:
    tested = {type(error) for error in ALL}
    assert {getattr(errors, name) for name in errors.__all__} <= tested
