"""One performance, from the first process to the verdict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos import subprocesses
from tests.chaos.fault_injector import FaultInjector
from tests.chaos.logs import stored_runs
from tests.chaos.options import Options
from tests.chaos.plan import Kind
from tests.chaos.recovery import Measurements
from tests.chaos.summary import Evidence, Summary
from tests.chaos.system import System, running_system
from tests.support.store.contents import Contents, parts, read_contents
from tests.support.waiting import wait_until_async

from threadmill_shared.store.connections import StoreClient, connect

NAMESPACE = "threadmill"
_STOP_SECONDS = 60.0
_BURIED_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_PLACES = {"line", "dispatched", "held", "parked"}
"""Where runs stand that are not over."""


def perform(options: Options) -> Summary:
    """Play everything, in a folder of its own, which stays if a check fails."""
    folder = Path(options.folder or tempfile.mkdtemp(prefix="threadmill-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    summary = asyncio.run(_perform(options, folder))
    if summary.failures():
        _tell(f"logs and ledgers stay in {folder}")
    elif not options.folder:
        shutil.rmtree(folder)
    return summary


async def _perform(options: Options, folder: Path) -> Summary:
    async with running_system(options, folder) as system:
        measured, injector = Measurements(system), FaultInjector(system)
        _tell(f"measuring {options.measured_kills} kills, {options.measured_freezes} freezes")
        await measured.measure(options.measured_kills, options.measured_freezes)
        _tell(f"faults for {options.seconds:g} s or more")
        async with _producing(system):
            await injector.play(_is_enough(options, system, injector))
        _tell("waiting until all runs have ended")
        evidence = await _evidence(system)
    return Summary(system, injector, measured, evidence)


def _is_enough(options: Options, system: System, injector: FaultInjector) -> Callable[[], bool]:
    begun = time.monotonic()

    def is_enough() -> bool:
        seconds = time.monotonic() - begun
        counts = injector.counts
        has_all = counts[Kind.KILL] >= options.kills - options.measured_kills
        has_all &= counts[Kind.FREEZE] >= options.freezes
        has_all &= system.said >= options.runs
        return seconds >= (options.seconds if has_all else options.most_seconds)

    return is_enough


@asynccontextmanager
async def _producing(system: System) -> AsyncIterator[None]:
    producers = system.start_producers()
    client = system.start_http_client()
    supervision = asyncio.create_task(producers.supervise())
    faults = asyncio.create_task(system.gateways.disturb())
    try:
        yield
        faults.cancel()
        producers.stop()
        client.terminate()
        await wait_until_async(producers.have_stopped, "producers have stopped", _STOP_SECONDS)
        await wait_until_async(lambda: client.poll() == 0, "web.log: it has ended", _STOP_SECONDS)
    finally:
        supervision.cancel()
        faults.cancel()
        subprocesses.end(client)


async def _evidence(system: System) -> Evidence:
    client = connect(system.redis.url())
    try:
        contents = await _when_quiet(system, client)
        _tell("looking at what is left")
        foreign = [*await _foreign_keys(client), *await _dead_registrations(system, client)]
    finally:
        await client.aclose()
    over = {run.id for run in stored_runs(contents).values() if run.is_over}
    return Evidence(
        contents=contents,
        says=system.says.lines(),
        calls=system.calls.lines(),
        notes=system.notes.lines(),
        streams=system.streams.lines(),
        reader_differences=await system.readers.differences(over),
        foreign_keys=foreign,
    )


async def _when_quiet(system: System, client: StoreClient) -> Contents:
    """What the store holds when all runs have ended, or it has taken too long."""
    give_up = time.monotonic() + system.options.quiet_seconds
    while time.monotonic() < give_up and not await _is_quiet(system, client):
        await asyncio.sleep(_LOOK_SECONDS)
    return await read_contents(client, NAMESPACE)


async def _is_quiet(system: System, client: StoreClient) -> bool:
    """Whether no run stands in a line or an index, and all that were followed have ended."""
    start = len(NAMESPACE) + 1
    kinds = {parts(key[start:])[1] for key in await client.keys(f"{NAMESPACE}:*")}
    readers = system.readers.all.values()
    return kinds.isdisjoint(_PLACES) and all(one.has_ended or one.trouble for one in readers)


async def _foreign_keys(client: StoreClient) -> list[str]:
    """Keys outside of the namespace: messages that nobody took, and what names a dead worker.

    The bindings of Celery's own events and remote control are the same for all workers, and its
    mutex expires by itself.
    """
    celerys = ("_kombu.binding", "unacked_mutex")
    keys = [key for key in await client.keys("*") if not key.startswith(f"{NAMESPACE}:")]
    return [key for key in keys if NAMESPACE in key or not key.startswith(celerys)]


async def _dead_registrations(system: System, client: StoreClient) -> list[str]:
    async def dead() -> set[str]:
        names = await client.hkeys(f"{NAMESPACE}:{{workers}}:alive")
        living = {place.worker_name for place in system.fleet.places}
        return {name for name in names if name.rpartition(":")[0] not in living}

    give_up = time.monotonic() + _BURIED_SECONDS
    while (found := await dead()) and time.monotonic() < give_up:
        await asyncio.sleep(_LOOK_SECONDS)
    return [f"the registration of {name}, which is dead" for name in sorted(found)]


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
