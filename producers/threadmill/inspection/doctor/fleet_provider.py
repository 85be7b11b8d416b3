"""Whether the workers' model provider answers them, as they have found it."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.fleet import ProviderView

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
_UNREACHED = (
    "Correct OPENAI_BASE_URL of the workers, or see to their network (DNS, proxy, firewall); the "
    "provider's status page says whether it is down. Requests are retried."
)


def check_provider_of_workers(found: ProviderView, now: float) -> Finding:
    """Whether a provider answers the workers.

    Args:
        found: the provider.
        now: in seconds since the epoch.
    """
    name, host = "provider.workers", f"{found.host or 'a model'} ({found.api})"
    if found.state != "failing":
        return Finding(name, "ok", f"{host}: {found.state} for the workers")
    return Finding(
        name,
        "error",
        f"{host} fails for {found.failing_workers} of {found.workers} workers: {found.cause}"
        f"{found.age_of_failure(now)}",
        _cure(found.cause or ""),
    )


def _cure(cause: str) -> str:
    return next((cure for words, cure in _CURES.items() if cause.startswith(words)), _UNREACHED)
