"""What the doctor says of a provider that fails for the workers: the cure of its cause only."""

from __future__ import annotations

import pytest

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.fleet_provider import check_provider_of_workers
from threadmill.inspection.providers import ProviderView
from threadmill_shared.records.provider_report import ProviderReport
from threadmill_workers.execution.provider_health import REFUSALS

HINTS = {
    "OPENAI_API_KEY": ("the key is wrong", "the key does not allow it"),
    "Top the account up": ("no quota is left",),
    "THREADMILL_MODEL ": ("no such model or address",),
    "THREADMILL_CONCURRENCY": ("rate limit reached",),
    "proxy breaks streams off": ("its response cannot be read",),
}
"""What only the cures of these causes say."""
UNASKED = Finding("provider.reachable", "skipped", "--no-provider was given")


def cure(cause: str) -> str:
    view = ProviderView("api", "chat", "failing", 1, cause, workers=1, failing_workers=1)
    finding = check_provider_of_workers(view, now=1, answer=UNASKED)
    assert finding.state == "error"
    assert cause in finding.cause
    return finding.cure


@pytest.mark.parametrize(
    ("cause", "hint"),
    [(f"{cause} (HTTP 400)", hint) for hint, causes in HINTS.items() for cause in causes]
    + [("HTTP 503", "status page"), ("its host name is not known", "OPENAI_BASE_URL")],
)
def test_each_cause_has_its_own_cure(cause: str, hint: str) -> None:
    found = cure(cause)
    assert hint in found
    assert [one for one in HINTS if one in found] == [one for one in HINTS if one == hint]


def test_every_refusal_that_workers_report_has_a_cure_of_its_own() -> None:
    assert {cause for cause, _ in REFUSALS.values()} <= {
        cause for causes in HINTS.values() for cause in causes
    }


def test_a_provider_that_answers_needs_none() -> None:
    view = ProviderView("api", "chat", "answering", 1, None, workers=1, failing_workers=0)
    assert check_provider_of_workers(view, now=1, answer=UNASKED).state == "ok"


def found(cause: str, answer: ProviderReport | Finding, *, seconds: int = 100) -> Finding:
    """What the doctor says of a failure of so many seconds ago."""
    view = ProviderView("api", "chat", "failing", 1, cause, 2, failing_workers=1, failed_at=1000)
    return check_provider_of_workers(view, now=1000 + seconds, answer=answer)


def test_a_failure_of_long_ago_is_a_warning_if_the_provider_answers_by_now() -> None:
    answers = ProviderReport("api", "answers")
    over = found("connection refused", answers)
    assert (over.state, "answers now, but failed in the last request of 1 of 2" in over.cause) == (
        "warning",
        True,
    )
    assert "100 s ago: connection refused" in over.cause
    assert "next request" in over.cure
    assert found("connection refused", answers, seconds=50).state == "error"


@pytest.mark.parametrize(
    "answer",
    [
        ProviderReport("api", "unreachable"),
        ProviderReport("api", "limited"),
        ProviderReport("another", "answers"),
        UNASKED,
    ],
)
def test_a_failure_of_long_ago_is_an_error_if_the_same_provider_does_not_answer(
    answer: ProviderReport | Finding,
) -> None:
    assert found("connection refused", answer).state == "error"


@pytest.mark.parametrize("cause", [cause for cause, _ in REFUSALS.values()])
def test_a_refusal_is_an_error_although_the_provider_answers_here(cause: str) -> None:
    assert found(f"{cause} (HTTP 4xx)", ProviderReport("api", "answers")).state == "error"
