"""One look at a fleet: workers, slots, queues, runs, approvals, and the model providers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from threadmill.inspection.approvals import count_approvals
from threadmill.inspection.providers import ProviderView, provider_views
from threadmill.inspection.queues import QueueView, queue_of, queue_views, shared_queues
from threadmill.inspection.workers import WorkerView, read_deaths, read_workers
from threadmill.inspection.write_refusal import WriteRefusal
from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.inspection import Census, ParkedRun
from threadmill_shared.records.queue_lengths import QueueLengths
from threadmill_shared.records.worker_death import WorkerDeath
from threadmill_shared.settings import Settings
from threadmill_shared.store.store import Store

PARKED = 1000
"""Parked runs that a look reads."""


@dataclass(frozen=True)
class SlotCounts:
    """How many runs the live workers can execute at a time, as far as they say so."""

    total: int
    """One that is stopping has those of its slots that are still used."""
    used: int
    is_complete: bool = True
    """Whether all of them say how many they have; else there may be more."""

    @classmethod
    def of(cls, workers: Iterable[WorkerView]) -> SlotCounts:
        """The slots of these workers; silent ones have none."""
        living = [one for one in workers if one.condition != "silent"]
        return cls(
            total=sum(
                one.running if one.slots is None or not one.takes_runs else one.slots
                for one in living
            ),
            used=sum(one.running for one in living),
            is_complete=all(one.slots is not None or not one.takes_runs for one in living),
        )


@dataclass(frozen=True)
class RunCounts:
    """How many runs are in which state."""

    in_progress: int
    """Held by a worker; those that are being cancelled, too."""
    queued: int
    """Those that wait for a worker."""
    parked: int
    in_line: int | None = None
    """Those that wait for their thread; None: not known while lists are incomplete."""


@dataclass(frozen=True)
class ApprovalCounts:
    """The calls that wait for an approval."""

    waiting: int
    is_complete: bool
    """Whether all parked runs were looked at; else there may be more."""
    oldest_seconds: float | None


@dataclass(frozen=True)
class FleetStatus:
    """What one look at a fleet finds."""

    namespace: str
    now: float
    workers: tuple[WorkerView, ...]
    queues: tuple[QueueView, ...]
    queues_are_exact: bool
    """Whether all waiting runs were looked at; else their numbers are estimates."""
    broker_error: str | None
    """Why the broker did not say how many messages are in the queues."""
    slots: SlotCounts
    runs: RunCounts
    approvals: ApprovalCounts
    providers: tuple[ProviderView, ...]
    deaths: tuple[WorkerDeath, ...] = ()
    """The workers that were declared dead in the last 10 minutes."""
    lists_are_incomplete: bool = False
    """Whether lists may lack runs and threads that an earlier release has written."""
    write_refusal: WriteRefusal | None = None
    """Why Redis refuses writes; None: it takes them."""


async def read_fleet(store: Store, settings: Settings) -> FleetStatus:
    """Look at a fleet once: some dozens of commands in a few round trips, however many runs it has.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    census = await store.inspector.census()
    workers = await read_workers(store, census)
    waiting = await store.indexes.count_waiting()
    parked = await store.inspector.parked(PARKED)
    names = {
        Queues(settings.namespace).common,
        *shared_queues(workers),
        *(queue_of(one, settings.namespace) for one in waiting.queues),
    }
    lengths = await _read_lengths(store, settings, sorted(names))
    lists_are_incomplete = await store.lists.are_incomplete()
    return FleetStatus(
        namespace=settings.namespace,
        now=census.now / 1000,
        workers=tuple(workers),
        queues=tuple(
            queue_views(
                namespace=settings.namespace,
                queued=waiting.queues,
                workers=workers,
                lengths=lengths.messages,
            )
        ),
        queues_are_exact=not waiting.is_sampled,
        broker_error=lengths.error,
        slots=SlotCounts.of(workers),
        runs=_run_counts(census, lists_are_incomplete=lists_are_incomplete),
        approvals=_approval_counts(parked, census),
        providers=tuple(provider_views(workers)),
        deaths=tuple(await read_deaths(store, census.now / 1000, workers)),
        lists_are_incomplete=lists_are_incomplete,
        write_refusal=WriteRefusal.of(census.refusal) if census.refusal else None,
    )


async def _read_lengths(store: Store, settings: Settings, names: list[str]) -> QueueLengths:
    if settings.broker_url is None:
        settings.celery_settings()  # raises if the store cannot be a broker, as a cluster
        return await store.inspector.queue_lengths(names)
    from threadmill_shared.broker.queue_lengths import (  # noqa: PLC0415  it imports Celery
        read_queue_lengths,
    )

    return await asyncio.to_thread(read_queue_lengths, settings, names)


def _run_counts(census: Census, *, lists_are_incomplete: bool) -> RunCounts:
    in_line = max(0, census.queued - census.dispatched)
    return RunCounts(
        in_progress=sum(census.held.values()),
        queued=census.dispatched,
        in_line=None if lists_are_incomplete else in_line,
        parked=census.parked,
    )


def _approval_counts(parked: Sequence[ParkedRun], census: Census) -> ApprovalCounts:
    waiting = [run for run in parked if count_approvals([run])]
    return ApprovalCounts(
        waiting=count_approvals(waiting),
        is_complete=len(parked) >= census.parked or len(parked) < PARKED,
        oldest_seconds=(census.now - waiting[0].since) / 1000 if waiting else None,
    )
