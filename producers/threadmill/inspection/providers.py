"""The model providers of a fleet, as its workers have found them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from threadmill.inspection.workers import WorkerView
from threadmill_shared.records.worker_state import NO_SUCH_MODEL_CAUSE, ProviderState

STALE_SECONDS = 90.0
"""A failure that is older does not tell how its provider is now."""


@dataclass(frozen=True)
class ProviderView:
    """A model provider, and one cause for which it fails, if it does."""

    host: str
    api: str
    state: str
    """`failing` if it is so for any worker, else `answering` if it is for any, else `unknown`."""
    since: int
    """When it began to be so for the first of them, in seconds since the epoch; 0: never asked."""
    cause: str | None
    """Each cause has a view of its own; so has each model that it does not have."""
    workers: int
    """All that use it."""
    failing_workers: int
    """Those for which it fails for this cause."""
    failed_at: int = 0
    """When the last request failed, in seconds since the epoch; 0: it is not failing, or its
    workers did not say."""

    def age_of_failure(self, now: float) -> str:
        """Say when it was last asked, unless that is a short time ago: it may be well by now.

        Args:
            now: in seconds since the epoch.
        """
        seconds = self.seconds_since_failure(now)
        if not self.failed_at or seconds < STALE_SECONDS:
            return ""
        return f"; its last request was {seconds / 60:.0f} min ago"

    def seconds_since_failure(self, now: float) -> float:
        """Seconds since its last request failed; 0 if that is not known."""
        return now - self.failed_at if self.failed_at else 0.0


def provider_views(workers: Iterable[WorkerView]) -> list[ProviderView]:
    """The providers of these workers, by host, API and cause."""
    found: dict[tuple[str, str], list[ProviderState]] = {}
    for worker in workers:
        if worker.provider is not None and worker.condition != "silent":
            key = worker.provider.host, worker.provider.api
            found.setdefault(key, []).append(worker.provider)
    return [view for _, states in sorted(found.items()) for view in _views(states)]


def _views(states: Sequence[ProviderState]) -> Iterator[ProviderView]:
    """The views of one provider."""
    failing: dict[str | None, list[ProviderState]] = {}
    for one in states:
        if one.state == "failing":
            failing.setdefault(one.cause, []).append(one)
    for some in failing.values():
        yield _view(states, some, failing=len(some))
    if not failing:
        answering = [one for one in states if one.state == "answering"]
        yield _view(states, answering or states, failing=0)
    yield from _missing_models(states)


def _view(
    states: Sequence[ProviderState], alike: Sequence[ProviderState], *, failing: int
) -> ProviderView:
    """The view of a provider for those of its workers that have found the same."""
    first = min(alike, key=lambda one: one.since)
    return ProviderView(
        host=first.host,
        api=first.api,
        state=first.state if first.state in ("failing", "answering") else "unknown",
        since=first.since,
        cause=first.cause,
        workers=len(states),
        failing_workers=failing,
        failed_at=max(one.failed_at for one in alike),
    )


def _missing_models(states: Sequence[ProviderState]) -> Iterator[ProviderView]:
    """The models that it does not have, unless a worker has found nothing else of it."""
    found: dict[str, list[int]] = {}
    for one in states:
        if one.cause != NO_SUCH_MODEL_CAUSE:
            for model, at in one.missing_models.items():
                found.setdefault(model, []).append(at)
    for model, times in sorted(found.items()):
        yield ProviderView(
            host=states[0].host,
            api=states[0].api,
            state="failing",
            since=min(times),
            cause=f"{NO_SUCH_MODEL_CAUSE}: {model}",
            workers=len(states),
            failing_workers=len(times),
            failed_at=max(times),
        )
