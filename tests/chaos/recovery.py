"""How long it takes until another worker goes on with a run.

One fault at a time, on a fleet that is well otherwise, and with a provider that answers at once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import redis.asyncio as redis_asyncio
from tests.chaos.fleet import Place
from tests.chaos.says import Say
from tests.chaos.system import System
from tests.support.waiting import wait_until_async

from threadmill import Assistant, Run, Thread
from threadmill_shared.records.log import LogEntry, record_values
from threadmill_shared.store.keys import Keys

_TOKENS, _DELAY = 3000, 0.01
"""A stream of half a minute; it is cancelled when its recovery is known."""
_TRIES = 40
_GIVE_UP_SECONDS = 45.0


class Measurements:
    """Times from a fault to the next claim, in seconds; nan where none came."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._number = 0
        self.run_ids: set[str] = set()
        self.kills: list[float] = []
        self.freezes: list[float] = []
        self.cuts: list[float] = []

    async def measure(self, kills: int, freezes: int) -> None:
        """Kills one after the other; freezes and network cuts two and one at a time."""
        async with redis_asyncio.Redis.from_url(
            self._system.redis.url(), decode_responses=True
        ) as client:
            self._client = client
            for _ in range(kills):
                self.kills.append(await self._kill())
            for _ in range(0, freezes, 2):
                await self._suspend_some()

    async def _kill(self) -> float:
        await self._system.fleet.whole()
        run, place = await self._streaming(lambda _: True)
        at = await self._now()
        place.kill()
        return await self._recovered(run, at)

    async def _suspend_some(self) -> None:
        """Different workers at the same time: each of them takes its seconds."""
        await self._system.fleet.whole()
        suspended: list[tuple[list[float], Run, Place]] = []
        for _ in range(2):
            run, place = await self._streaming(lambda place: not place.leaf)
            suspended.append((self.freezes, run, place))
            place.is_disturbed = True
        if self._system.options.leaf:
            run, place = await self._streaming(lambda place: bool(place.leaf))
            suspended.append((self.cuts, run, place))
            place.is_disturbed = True
        times = await asyncio.gather(*(self._suspend(run, place) for _, run, place in suspended))
        for (found, _, _), seconds in zip(suspended, times, strict=True):
            found.append(seconds)

    async def _suspend(self, run: Run, place: Place) -> float:
        at = await self._now()
        pause, go_on = (
            (place.leaf.cut, place.leaf.mend)
            if place.leaf
            else (place.worker.freeze, place.worker.thaw)
        )
        pause()
        try:
            return await self._recovered(run, at)
        finally:
            go_on()
            place.is_disturbed = False

    async def _streaming(self, is_wanted: Callable[[Place], bool]) -> tuple[Run, Place]:
        """A run in the middle of its message, and where it is executed."""
        assistant = await Assistant.load_async("chaotic")
        for _ in range(_TRIES):
            say = Say(f"measured-{self._number}", "m", 0, tokens=_TOKENS, delay=_DELAY)
            self._number += 1
            run = await assistant.enqueue_async(say.text, Thread(key=say.thread))
            self.run_ids.add(run.id)
            async for event in run.events_async():
                if event.event == "thread.message.delta":
                    break
            await run.refresh_async()
            place = self._system.fleet.place_of(run.worker)
            if place is not None and is_wanted(place):
                return run, place
            await run.cancel_async()
        raise AssertionError(f"none of {_TRIES} runs came to a worker that is wanted")

    async def _recovered(self, run: Run, at: int) -> float:
        """Seconds from then to the claim of the next attempt."""
        try:
            claimed = await wait_until_async(
                lambda: self._takeover_after(run.id, at), "a takeover", _GIVE_UP_SECONDS
            )
        except AssertionError:
            return math.inf
        await run.cancel_async()
        return (claimed - at) / 1000

    async def _takeover_after(self, run_id: str, at: int) -> int | None:
        found = await self._client.xrange(Keys("threadmill").log(run_id))
        entries = [LogEntry.read(*entry) for entry in found]
        return next((e.at for e in entries if e.at >= at and _is_takeover(e)), None)

    async def _now(self) -> int:
        seconds, microseconds = await self._client.time()
        return seconds * 1000 + microseconds // 1000


def _is_takeover(entry: LogEntry) -> bool:
    return any(
        record_values(record)[:2] == ["x", "threadmill.run.takeover"] for record in entry.records
    )
