"""Workers that are nothing but a lease, and somebody who looks whether they live."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.records.changes import Dispatch, EnqueueCommand, content_digest
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.workers import Seen, WorkerInfo
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.heartbeat_connection import HeartbeatConnection, open_heartbeat
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.store import Store
from threadmill_workers.execution import claim
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.membership.failure_detector import Dead, FailureDetector
from threadmill_workers.membership.identity import WorkerIdentity
from threadmill_workers.membership.lease import Lease, Loop
from threadmill_workers.recovery.takeover import Takeover

NAMESPACE = "tm"
LOOKS_SECONDS = 0.25
REQUEST = RunSnapshot(
    assistant_id="asst_1", assistant_name="Ada", model="gpt-5.4-mini", instructions="Be brief."
)


@dataclass
class Registered:
    """A worker with a lease, and what was said of it."""

    lease: Lease
    burials: list[float]
    """When it was told that it had been declared dead."""
    stuck: list[str]
    """Why there are no beats any more."""

    @property
    def id(self) -> str:
        return self.lease.holder.id


def registered(url: str, number: int = 1) -> Registered:
    """A worker; its lease is not taken yet. To be called on the running loop."""
    holder = WorkerIdentity(f"host:{number}:aaaa", f"{NAMESPACE}:bell:host:{number}:aaaa")
    info = WorkerInfo(holder.id, holder.name, 0, "tm.own", ("tm", "tm.begun", "tm.own"))
    burials: list[float] = []
    stuck: list[str] = []
    lease = Lease(
        Settings(redis_url=url, namespace=NAMESPACE),
        holder,
        info,
        ["shop:find_order 1"],
        loop=Loop(asyncio.get_running_loop()),
        on_declared_dead=lambda: burials.append(time.monotonic()),
        on_stuck=stuck.append,
    )
    return Registered(lease, burials, stuck)


@contextlib.asynccontextmanager
async def beating(*workers: Registered) -> AsyncIterator[None]:
    """Their leases are taken and renewed until the end of the block."""
    await asyncio.gather(*(asyncio.to_thread(worker.lease.start) for worker in workers))
    try:
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(worker.lease.close) for worker in workers))


@contextlib.asynccontextmanager
async def ghost(url: str, store: Store, info: WorkerInfo) -> AsyncIterator[HeartbeatConnection]:
    """A worker that registers, never beats, and dies without a word at the end of the block."""
    async with open_heartbeat(url, store.namespace) as heartbeat:
        seen = await heartbeat.seen()
        await register(store, WorkerInfo(**{**vars(info), "seen": seen}))
        yield heartbeat
    assert seen is not None
    await wait_until_async(lambda: is_gone(store, seen), "the server has seen it go")


async def is_gone(store: Store, seen: Seen) -> bool:
    """Whether the server lists the connection no more."""
    listed = await store.session.runner.command("CLIENT", "LIST", "ID", seen.client)
    return not listed


async def register(store: Store, info: WorkerInfo) -> None:
    """Register a worker that does nothing by itself."""
    call = WorkerScripts(store.session.keys).register(
        worker=info.id,
        known="",
        registration=info.encode(),
        lease_ms=60_000,
        tools_ms=60_000,
        rest=[],
    )
    await store.session.runner.run(call)


async def register_without_lease(store: Store, info: WorkerInfo) -> None:
    """Register a worker that has been silent for too long."""
    await register(store, info)
    await store.session.runner.command("UNLINK", store.session.keys.lease(info.id))


@dataclass
class Watcher:
    """Looks at the workers as a sweep does, and takes over what dead ones have left."""

    store: Store
    deaths: FailureDetector = field(init=False)
    verdicts: list[Dead] = field(default_factory=list)
    sent: list[Dispatch | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deaths = FailureDetector(self.store)
        self.takeover = Takeover(self.store, self.sent.append, max_deaths=3)

    async def look(self, holders: Sequence[str] = ()) -> list[Dead]:
        found = await self.deaths.find(holders)
        self.verdicts += found
        for dead in found:
            await self.takeover.remove_worker(dead)
        return found

    async def look_for(self, seconds: float) -> list[Dead]:
        """Look again and again for so long; all verdicts so far.

        It looks at a clock: on Python 3.11 redis-py may swallow the cancellation of a timeout.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.look()
            await asyncio.sleep(LOOKS_SECONDS)
        return self.verdicts


async def registrations(store: Store) -> dict[str, WorkerInfo]:
    """The workers that are registered, by id."""
    found = await store.session.runner.command("HGETALL", store.session.keys.alive())
    return {id: WorkerInfo.read(id, text) for id, text in found.items()}


async def holding_a_run(store: Store, holder: WorkerIdentity) -> HeldRun:
    """A run that this worker has claimed."""
    thread_id = ids.new_thread_id()
    new = EnqueueCommand(
        run_id=ids.new_run_id(thread_id),
        thread_id=thread_id,
        request=REQUEST,
        create_thread=True,
        message_id=ids.new_message_id(),
        message="hello",
        queue="tm",
        content_digest=content_digest("hello"),
    )
    await store.runs.enqueue(new)
    held = await claim.claim(store, holder, new.run_id)
    assert held is not None
    return held


def store_at(url: str) -> Store:
    """A store that outlasts a server that is away, as a worker's does."""
    return Store(connect(url), NAMESPACE, patience=60)
