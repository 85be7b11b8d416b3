"""Faults as they are done: to a worker that is well, to Redis, to a producer."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery
from tests.chaos.fleet import START_SECONDS, Place
from tests.chaos.plan import Fault, Kind, faults
from tests.chaos.system import System
from tests.support.waiting import wait_until_async

from threadmill_shared.broker.declarations import declared
from threadmill_shared.broker.queues import EXECUTE

_LEAST_WELL = 1
"""So many workers stay undisturbed: somebody has to do the work."""
_REPEATS = 3


@dataclass(frozen=True)
class Hit:
    """A run that a fault struck."""

    run_id: str
    kind: Kind
    at: int
    """Milliseconds; Redis reads the same clock."""
    seconds: float


class FaultInjector:
    """Injects the faults of a plan, one after the other."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.counts: Counter[Kind] = Counter()
        self.hits: list[Hit] = []
        self._redis = asyncio.Lock()

    async def play(self, is_enough: Callable[[], bool]) -> None:
        """Strike until it is enough, and until all is mended."""
        options = self._system.options
        plan = faults(options.seed, options.pause, cuts=bool(options.leaf))
        async with asyncio.TaskGroup() as under_way:
            for fault in itertools.takewhile(lambda _: not is_enough(), plan):
                await asyncio.sleep(fault.pause)
                if fault.kind not in _DEEDS:
                    under_way.create_task(self._inject(fault))
                else:
                    place = await self._victim(fault)
                    place.is_disturbed = True
                    under_way.create_task(self._disturb(place, fault))

    async def _inject(self, fault: Fault) -> None:
        self.counts[fault.kind] += 1
        if fault.kind in (Kind.REDIS, Kind.STALL):
            async with self._redis:
                await (self._restart if fault.kind is Kind.REDIS else self._stall)(fault)
        elif fault.kind is Kind.PRODUCER:
            self._system.producers.doom(fault.victim)
        else:
            async with self._redis:  # it must be there
                await asyncio.to_thread(self._deliver_again)

    async def _victim(self, fault: Fault) -> Place:
        """Wait until there is one, and enough others."""

        def candidates() -> list[Place]:
            well = self._system.fleet.well()
            fit = [place for place in well if place.leaf or fault.kind is not Kind.CUT]
            return fit if len(well) > _LEAST_WELL else []

        found = await wait_until_async(candidates, "enough workers are well", START_SECONDS)
        return found[fault.victim % len(found)]

    async def _disturb(self, place: Place, fault: Fault) -> None:
        self.counts[fault.kind] += 1
        try:
            held = await self._system.readers.held_by(place.worker_name)
            at = int(time.time() * 1000)
            self.hits += [Hit(run_id, fault.kind, at, fault.seconds) for run_id in held]
            await _DEEDS[fault.kind](place, fault.seconds)
        finally:
            place.is_disturbed = False

    async def _restart(self, fault: Fault) -> None:
        redis = self._system.redis
        await asyncio.to_thread(redis.kill if fault.victim % 2 else redis.stop)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(redis.start)

    async def _stall(self, fault: Fault) -> None:
        """Its answers come late: for some, when their callers have asked again."""
        os.kill(self._system.redis.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            os.kill(self._system.redis.pid, signal.SIGCONT)

    def _deliver_again(self) -> None:
        """Messages of runs that go on, that are over, and that wait."""
        run_ids = list(self._system.readers.all)[-20:]
        with Celery("again", broker=self._system.redis.url()) as app:
            app.conf.broker_transport_options = {"socket_timeout": 3, "max_retries": 1}
            for run_id in run_ids * _REPEATS:
                app.send_task(EXECUTE, [run_id], queue=declared("threadmill"), retry=False)


async def _kill(place: Place, _seconds: float) -> None:
    place.kill()


async def _terminate(place: Place, _seconds: float) -> None:
    place.terminate()


async def _freeze(place: Place, seconds: float) -> None:
    worker = place.worker
    worker.freeze()
    try:
        await asyncio.sleep(seconds)
    finally:
        worker.thaw()


async def _cut(place: Place, seconds: float) -> None:
    place.leaf.cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        place.leaf.mend()


_DEEDS = {Kind.KILL: _kill, Kind.STOP: _terminate, Kind.FREEZE: _freeze, Kind.CUT: _cut}
