"""Errors in the words of each provider: what is done about them, and what is told."""

from __future__ import annotations

import re

import pytest
from tests.support.provider_words import KEY, PROVIDERS, Outcome, Said

from threadmill_shared.errors import (
    ContextTooLong,
    ModelError,
    ModelGarbled,
    ModelRefused,
    ModelUnavailable,
)
from threadmill_workers.execution.refusal import may_be_of_history


def outcome_of(error: ModelError) -> Outcome:
    """What a run does next."""
    match error:
        case ContextTooLong():
            return "shorten"
        case ModelRefused():
            return "reduce" if may_be_of_history(error) else "fail"
        case ModelUnavailable(rate_limited=True):
            return "wait"
        case ModelUnavailable() | ModelGarbled():
            return "retry"
    raise AssertionError(error)


ROWS = [
    pytest.param(said, id=f"{provider}: {name}")
    for provider, rows in PROVIDERS.items()
    for name, said in rows.items()
]


@pytest.mark.parametrize("said", ROWS)
def test_a_run_does_what_helps(said: Said) -> None:
    error = said.error()
    assert outcome_of(error) == said.outcome, str(error)
    if said.after is not None or said.outcome == "wait":
        assert getattr(error, "retry_after", None) == said.after


@pytest.mark.parametrize("said", ROWS)
def test_the_user_reads_the_providers_words(said: Said) -> None:
    told = str(said.error())
    assert said.tells in told
    for hidden in (*said.hides, KEY, "<html", '"error":{"'):
        assert hidden not in told
    if said.status is not None:
        assert len(re.findall(rf"\b{said.status}\b", told)) == 1
