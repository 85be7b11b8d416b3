"""The workers of a fleet: who lives, what each executes, and what it does at the moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from threadmill_shared.records.inspection import Census
from threadmill_shared.records.worker_death import WorkerDeath
from threadmill_shared.records.worker_state import ProviderState, ToolThreadUse, WorkerState
from threadmill_shared.records.workers import RegisteredWorker
from threadmill_shared.store.store import Store

BLOCKED_SECONDS = 12.0
"""A worker writes its state every 5 s, from its event loop: an older state means that the loop does
not answer."""

RECENT_SECONDS = 600.0
"""For how long a worker's death is shown."""

Condition = Literal["alive", "blocked", "stopping", "silent"]


@dataclass(frozen=True)
class WorkerView:
    """A worker that is registered."""

    worker: str
    """`host:pid`"""
    id: str
    condition: Condition
    """`blocked`: its event loop does not answer, though its process lives. `stopping`: it was told
    to end, and takes no run any more. `silent`: it has no lease, and other workers will declare it
    dead."""
    since: int
    """When it registered, in seconds since the epoch by its own clock."""
    running: int
    """Runs that it holds."""
    slots: int | None
    """Runs that it holds at most; None, as all that follows without a default: it is of an older
    release, which does not say so."""
    version: str | None
    modules: tuple[str, ...]
    queues: tuple[str, ...]
    own_queue: str
    """The one of them that only this worker consumes."""
    assistants: Mapping[str, str]
    """Digest of the definition by name."""
    tools: Mapping[str, str]
    """Digest of the schema by identity."""
    tool_threads: ToolThreadUse | None
    provider: ProviderState | None
    metrics: str | None = None
    clock_offset: int = 0
    """Seconds by which its clock is ahead of the server's; 0: they agree, or it did not say."""
    state_age: float | None = None
    """Seconds since it has written what it is doing."""
    awaited_functions: Mapping[str, int] = field(default_factory=dict)
    """How many of its runs wait for a worker that has a function, by the function's identity."""
    is_mute: bool = False
    """Whether it has not written that lately, although its release does: it cannot use Redis but
    for its lease, which has a connection of its own."""

    @property
    def takes_runs(self) -> bool:
        """Whether it takes runs from its queues, as soon as it has a free slot."""
        return self.condition in ("alive", "blocked")

    @property
    def is_full(self) -> bool:
        """Whether all its slots are taken."""
        return self.slots is not None and self.running >= self.slots


async def read_workers(store: Store, census: Census | None = None) -> list[WorkerView]:
    """Read all registered workers, the oldest first.

    Args:
        store: the store.
        census: where runs are, if that was read already.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    registered = await store.workers.registered()
    census = census or await store.inspector.census()
    may_write = census.refusal is None
    views = [_view(one, census.held.get(one.info.id, 0), may_write=may_write) for one in registered]
    return sorted(views, key=lambda view: (view.since, view.worker))


async def read_deaths(store: Store, now: float, workers: Sequence[WorkerView]) -> list[WorkerDeath]:
    """Read which workers were declared dead in the last minutes, the first one first.

    Args:
        store: the store.
        now: in seconds since the epoch, by the server's clock.
        workers: the registered ones; one that was only frozen is among them again.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    since = {one.worker: one.since for one in workers if one.condition != "silent"}
    return [
        death.model_copy(update={"came_back": since.get(death.name, death.at) < death.at})
        for death in await store.workers.deaths(since=now - RECENT_SECONDS)
    ]


def _view(found: RegisteredWorker, running: int, *, may_write: bool) -> WorkerView:
    info, state = found.info, found.state
    known = state or WorkerState()
    return WorkerView(
        worker=info.worker,
        id=info.id,
        condition=_condition(found, may_write=may_write),
        since=info.since,
        running=running,
        slots=known.slots if state else None,
        version=known.version or None,
        modules=known.modules,
        queues=info.queues,
        own_queue=info.queue,
        assistants=known.assistants,
        tools=found.tools,
        tool_threads=known.tool_threads if state else None,
        provider=known.provider if state else None,
        metrics=known.metrics,
        clock_offset=known.clock_offset,
        state_age=found.state_age,
        awaited_functions=known.awaited_functions,
        is_mute=state is None and info.keeps_indexes,
    )


def _condition(found: RegisteredWorker, *, may_write: bool) -> Condition:
    if not found.has_lease:
        return "silent"
    if found.state is not None and found.state.stopping:
        return "stopping"
    is_old = found.state_age is not None and found.state_age > BLOCKED_SECONDS
    # What is old says nothing while Redis refuses to store anything newer.
    return "blocked" if is_old and may_write else "alive"
