"""Whether the workers' model provider answers them, as they have found it."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.providers import ProviderView
from threadmill_shared.records.provider_report import ProviderReport

_NAME = "provider.workers"
_WAIT = "Wait: requests are retried; the provider's status page says whether it is down."
_CURES = {
    "the key is wrong": "Correct OPENAI_API_KEY of the workers, which must belong to their "
    "provider, and restart them.",
    "the key does not allow it": "Give the workers' key its rights at the provider, or correct "
    "OPENAI_API_KEY, OPENAI_ORG_ID and OPENAI_PROJECT_ID, and restart them.",
    "no quota is left": "Top the account up, or raise its budget, at the provider; the workers "
    "need no restart.",
    "no such model or address": "Correct THREADMILL_MODEL or the assistant's model=, or "
    "OPENAI_BASE_URL, and restart the workers.",
    "rate limit reached": "Wait: requests are retried. If it lasts, raise the limit at the "
    "provider, or lower THREADMILL_CONCURRENCY.",
    "HTTP ": _WAIT,
    "its response cannot be read": "See whether a proxy breaks streams off, and whether "
    "OPENAI_BASE_URL and THREADMILL_MODEL_API of the workers fit the provider.",
}
"""What helps against a cause that begins so."""
_REFUSALS = (
    *("the key is wrong", "the key does not allow it"),
    *("no quota is left", "no such model or address"),
)
"""Causes that only the workers can tell."""
_UNREACHED = (
    "Correct OPENAI_BASE_URL of the workers, or see to their network (DNS, proxy, firewall); the "
    "provider's status page says whether it is down. Requests are retried."
)


OLD_SECONDS = 60.0
"""A failure that is older does not count if the provider answers by now."""


def examine_providers_of_workers(
    reading: FleetReading | None, answer: ProviderReport | Finding
) -> list[Finding]:
    """All findings about the providers of a fleet.

    Args:
        reading: the fleet, if it could be read.
        answer: what the provider that is configured here has answered, if it was asked.
    """
    fleet = reading.fleet if reading is not None else None
    if fleet is None:
        return []
    return [check_provider_of_workers(one, fleet.now, answer) for one in fleet.providers]


def check_provider_of_workers(
    found: ProviderView, now: float, answer: ProviderReport | Finding
) -> Finding:
    """Whether a provider answers the workers.

    Args:
        found: the provider.
        now: in seconds since the epoch.
        answer: what the provider that is configured here has answered, if it was asked.
    """
    host = f"{found.host or 'a model'} ({found.api})"
    if found.state != "failing":
        return Finding(_NAME, "ok", f"{host}: {found.state} for the workers")
    workers = f"{found.failing_workers} of {found.workers} workers"
    if _is_over(found, now, answer):
        seconds = found.seconds_since_failure(now)
        return Finding(
            _NAME,
            "warning",
            f"{host} answers now, but failed in the last request of {workers}, {seconds:.0f} s ago:"
            f" {found.cause}",
            "Nothing, if it was mended meanwhile: a worker finds that out with its next request. "
            "Else see to the network of these workers, and their OPENAI_BASE_URL.",
        )
    return Finding(
        _NAME,
        "error",
        f"{host} fails for {workers}: {found.cause}{found.age_of_failure(now)}",
        _cure(found.cause or ""),
    )


def _is_over(found: ProviderView, now: float, answer: ProviderReport | Finding) -> bool:
    """Whether it has been mended, for all that can be seen from here.

    A refusal is not over: the workers may have another key, and they ask for their own models.
    """
    if not isinstance(answer, ProviderReport) or answer.answer != "answers":
        return False
    if answer.host != found.host:
        return False
    is_refusal = (found.cause or "").startswith(_REFUSALS)
    return not is_refusal and found.seconds_since_failure(now) > OLD_SECONDS


def _cure(cause: str) -> str:
    return next((cure for words, cure in _CURES.items() if cause.startswith(words)), _UNREACHED)
