"""The workers that are registered, and what they can execute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from threadmill_shared import errors
from threadmill_shared.records.worker_death import LOST_LEASE, WorkerDeath, deaths_in
from threadmill_shared.records.worker_state import WorkerState
from threadmill_shared.records.workers import RegisteredWorker, WorkerInfo, published_name
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.texts import replace_text
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.session import Session
from threadmill_shared.store.worker_scanner import WorkerScanner
from threadmill_shared.tools import ToolSpec


def notification_channel(namespace: str, worker_id: str) -> str:
    """The channel on which a worker is told that one of its runs is to stop."""
    return Keys(namespace).worker_channel(worker_id)


STATE_SECONDS = 60
"""How long a worker's state is kept after it was written. A worker that has none for so long is of
an older release: one whose event loop does not answer ends after 30 s."""


class Workers:
    """The workers that are registered."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys = session.keys
        self._runner = session.runner
        self._scripts = WorkerScripts(session.keys)

    async def alive(self) -> list[WorkerInfo]:
        """The workers whose lease lives."""
        registered = await self._runner.hash_fields(self._keys.alive())
        leases = await self._runner.commands(("EXISTS", self._keys.lease(id)) for id in registered)
        found = zip(registered.items(), leases, strict=True)
        return [WorkerInfo.read(id, text) for (id, text), lives in found if lives]

    async def count(self) -> dict[str, int]:
        """How many workers are registered and have a lease (`alive`), or have none (`silent`).

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        registered = await self._runner.command("HKEYS", self._keys.alive())
        leases = await self._runner.commands(("EXISTS", self._keys.lease(id)) for id in registered)
        alive = sum(map(bool, leases))
        return {"alive": alive, "silent": len(registered) - alive}

    async def registered(self) -> list[RegisteredWorker]:
        """All workers that are registered, whether they live or not, in two round trips.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        found = await self._runner.hash_fields(self._keys.alive())
        replies = await self._runner.commands(
            command for id in found for command in self._questions(id)
        )
        each = zip(replies[::4], replies[1::4], replies[2::4], replies[3::4], strict=True)
        return [
            _registered(WorkerInfo.read(id, text), *reply)
            for (id, text), reply in zip(found.items(), each, strict=True)
        ]

    def _questions(self, id: str) -> list[tuple[str, str]]:
        state = self._keys.worker_state(id)
        return [
            ("EXISTS", self._keys.lease(id)),
            ("SMEMBERS", self._keys.tools(id)),
            ("GET", state),
            ("PTTL", state),
        ]

    async def write_state(self, worker_id: str, state: WorkerState) -> None:
        """Write down what a worker is doing, for `STATE_SECONDS`; a full Redis takes it, too."""
        place, text = self._keys.worker_state(worker_id), state.model_dump_json()
        await self._runner.run(replace_text(place=place, text=text, lifetime=STATE_SECONDS))

    async def keep_state(self, worker_id: str) -> bool:
        """Say that a worker's state has not changed; False if it is not there any more."""
        key = self._keys.worker_state(worker_id)
        return bool(await self._runner.command("EXPIRE", key, STATE_SECONDS))

    async def elect(self, worker_id: str, *, lifetime_ms: int) -> bool:
        """Whether a worker is the one that counts for the fleet, which is so for `lifetime_ms`.

        Args:
            worker_id: who asks; it is elected if nobody is, and stays it by asking again.
            lifetime_ms: how long it is, in milliseconds.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreFull: Redis has no room.
        """
        key = self._keys.counting_worker()
        if await self._runner.command("SET", key, worker_id, "NX", "PX", lifetime_ms):
            return True
        if await self._runner.command("GET", key) != worker_id:
            return False
        return bool(await self._runner.command("PEXPIRE", key, lifetime_ms))

    async def resign(self, worker_id: str) -> None:
        """Let another worker be elected at once, if this one is."""
        key = self._keys.counting_worker()
        if await self._runner.command("GET", key) == worker_id:
            await self._runner.command("UNLINK", key)

    async def worker_with_more(
        self,
        tools: Sequence[ToolSpec],
        than: int,
        *,
        queue: str | None = None,
        among: Sequence[WorkerInfo] | None = None,
    ) -> WorkerInfo | None:
        """The live worker that can execute the most of these tools, if more than so many.

        One that was told to end is none: it takes no run any more.

        Args:
            tools: what it is to execute.
            than: so many another one can.
            queue: it consumes this one; None: any.
            among: the live workers to choose from; None: all.
        """
        names = [published_name(tool) for tool in tools]
        living = await self.alive() if among is None else among
        workers = [one for one in living if queue is None or queue in one.queues]
        known = await self._runner.commands(
            ("SMISMEMBER", self._keys.tools(worker.id), *names) for worker in workers
        )
        counted = [(sum(found), one) for found, one in zip(known, workers, strict=True)]
        able = [(count, one) for count, one in counted if count > than]
        for _, worker in sorted(able, key=lambda pair: -pair[0]):
            if not await self._is_stopping(worker):
                return worker
        return None

    async def _is_stopping(self, worker: WorkerInfo) -> bool:
        state = _readable(await self._runner.command("GET", self._keys.worker_state(worker.id)))
        return state is not None and state.stopping

    async def remove(self, death: WorkerDeath, registration: str) -> bool:
        """Remove a worker that is dead, and note its death; false if it turns out to live.

        Args:
            death: of which worker, and why; one that was judged by its lease lives if it has one.
            registration: what it was judged by; a worker with another one has registered again.
        """
        call = self._scripts.remove_worker(
            worker=death.worker,
            judged=registration,
            expired=death.cause == LOST_LEASE,
            death=death.encode(),
        )
        [outcome] = await self._runner.run(call)
        return bool(outcome != "lives")

    async def deaths(self, *, since: float) -> list[WorkerDeath]:
        """The workers that were declared dead since then, the first one first.

        At most the last 100; releases before this one note none.

        Args:
            since: in seconds since the epoch, by the server's clock.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        start = max(0, int(since * 1000))
        entries = await self._runner.command("XRANGE", self._keys.deaths(), start, "+")
        return deaths_in(entries)

    def scanner(self) -> WorkerScanner:
        """What asks the server about the workers again and again."""
        return WorkerScanner(self._session)


def _registered(
    info: WorkerInfo, has_lease: int, tools: Any, state: str | None, left_ms: int
) -> RegisteredWorker:
    return RegisteredWorker(
        info=info,
        has_lease=bool(has_lease),
        tools=dict(name.rpartition(" ")[::2] for name in sorted(tools)),
        state=_readable(state),
        state_age=max(0.0, STATE_SECONDS - left_ms / 1000) if state else None,
    )


def _readable(state: str | None) -> WorkerState | None:
    """The state, or None if there is none that this release can read."""
    try:
        return WorkerState.read(state, "A worker's state") if state else None
    except errors.StoreIncompatible:
        return None
