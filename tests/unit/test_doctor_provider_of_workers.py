"""What the doctor says of a provider that fails for the workers: the cure of its cause only."""

from __future__ import annotations

import pytest

from threadmill.inspection.doctor.fleet_provider import check_provider_of_workers
from threadmill.inspection.fleet import ProviderView
from threadmill_workers.execution.provider_health import REFUSALS

HINTS = {
    "OPENAI_API_KEY": ("the key is wrong", "the key does not allow it"),
    "Top the account up": ("no quota is left",),
    "THREADMILL_MODEL ": ("no such model or address",),
    "THREADMILL_CONCURRENCY": ("rate limit reached",),
    "proxy breaks streams off": ("its response cannot be read",),
}
"""What only the cures of these causes say."""


def cure(cause: str) -> str:
    view = ProviderView("api", "chat", "failing", 1, cause, workers=1, failing_workers=1)
    finding = check_provider_of_workers(view, now=1)
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
    assert check_provider_of_workers(view, now=1).state == "ok"
