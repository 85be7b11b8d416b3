"""All that takes part: Redis, the provider, workers, producers, consumers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import subprocesses
from tests.chaos.fleet import Fleet
from tests.chaos.gateways import Gateways
from tests.chaos.ledger import Ledger
from tests.chaos.networks import LOOPBACK, PROVIDER, STORE, Leaf
from tests.chaos.options import Options
from tests.chaos.readers import Readers
from tests.chaos.subprocesses import Producers
from tests.support.paths import ROOT
from tests.support.servers.redis_server import RedisServer

from threadmill.client.current import close_client

MAX_ATTEMPTS = 20
"""Under so many faults the innocent die often; a test of its own is about the default."""
_FOLLOWED = 2
"""Every second run is followed."""
_LOOK_SECONDS = 0.05


@dataclass
class System:
    """What a chaos test is about, while it is running."""

    options: Options
    folder: Path
    redis: RedisServer
    fleet: Fleet
    says: Ledger
    calls: Ledger
    notes: Ledger
    streams: Ledger
    gateways: Gateways
    readers: Readers
    producers: Producers | None = None
    said: int = 0

    def start_producers(self) -> Producers:
        self.producers = Producers(self.options.producers, self._start_producer)
        return self.producers

    def _start_producer(self, name: str, ends: bool) -> subprocess.Popen[str]:
        errors = self.folder / f"{name}.log"
        outstanding = 0 if ends else self.options.outstanding
        arguments = (name, self.options.seed, str(outstanding), str(self.says.path))
        return subprocesses.start("producer", *arguments, errors=errors)

    def start_http_client(self) -> subprocess.Popen[str]:
        """A program that knows the gateways only."""
        errors = self.folder / "web.log"
        paths = (str(one.path) for one in (self.says, self.streams, self.calls))
        arguments = ("w0", self.options.seed, str(self.options.web_threads), *paths)
        urls = self.gateways.urls
        return subprocesses.start("http_client", *arguments, *urls, errors=errors)

    async def follow_some(self) -> None:
        """Follow a sample of what is said, as soon as it is said; for ever."""
        while True:
            for line in self.says.new_lines():
                if line["what"] == "run":
                    self.said += 1
                    if self.said % _FOLLOWED == 0:
                        self.readers.follow(line["run"])
            await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def running_system(options: Options, folder: Path) -> AsyncIterator[System]:
    """Everything started; at the end of the block it is ended, the workers in order."""
    ledgers = {
        name: Ledger(folder / f"{name}.jsonl") for name in ("says", "calls", "notes", "streams")
    }
    leaves = [Leaf(*text.split("/")) for text in options.leaf]
    with ExitStack() as stack:
        redis = stack.enter_context(_redis(folder, has_networks=bool(leaves)))
        provider = stack.enter_context(_provider(options, folder, has_networks=bool(leaves)))
        stack.enter_context(_settings(redis.url(), provider, ledgers["calls"].path))
        of_leaf = {"THREADMILL_REDIS_URL": redis.url().replace(LOOPBACK, STORE)}
        places = [*leaves, *[None] * (options.workers - len(leaves))]
        fleet = Fleet(folder, places, of_leaf)
        stack.callback(fleet.close)
        gateways = Gateways(options.gateways, options.seed, folder)
        stack.callback(gateways.close)
        made = System(
            options, folder, redis, fleet, **ledgers, gateways=gateways, readers=Readers()
        )
        async with _in_background(fleet.supervise(), gateways.supervise(), made.follow_some()):
            try:
                await fleet.whole()
                yield made
            finally:
                await made.readers.close()
                if made.producers is not None:
                    made.producers.close()


@contextmanager
def _redis(folder: Path, *, has_networks: bool) -> Iterator[RedisServer]:
    # What was answered has been written to the file, so a kill loses nothing; with `everysec` a
    # write may be put off while the disk is slow.
    options = ["--appendfsync", "no"]
    if has_networks:
        options += ["--bind", LOOPBACK, STORE, "--protected-mode", "no"]
    (folder / "redis").mkdir()
    with RedisServer(folder / "redis", appendonly=True, options=tuple(options)) as redis:
        yield redis


@contextmanager
def _provider(options: Options, folder: Path, *, has_networks: bool) -> Iterator[str]:
    host = PROVIDER if has_networks else LOOPBACK
    arguments = (host, options.seed, str(options.provider_faults), str(folder / "notes.jsonl"))
    process = subprocesses.start("provider", *arguments, errors=folder / "provider.log")
    try:
        yield f"http://{host}:{subprocesses.first_line(process)}/v1"
    finally:
        subprocesses.end(process)


@contextmanager
def _settings(redis_url: str, provider_url: str, calls: Path) -> Iterator[None]:
    """Those of this process, a consumer, and of all that it starts; this process is our own."""
    for name in [name for name in os.environ if name.startswith(("THREADMILL_", "OPENAI_"))]:
        del os.environ[name]
    os.environ |= {
        "THREADMILL_REDIS_URL": redis_url,
        "THREADMILL_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        "THREADMILL_DRAIN_SECONDS": "1",
        "OPENAI_BASE_URL": provider_url,
        "OPENAI_API_KEY": "a-stand-in-asks-for-none",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "CHAOS_CALLS": str(calls),
    }
    try:
        yield
    finally:
        close_client()


@asynccontextmanager
async def _in_background(*work) -> AsyncIterator[None]:
    """These go on during the block; what goes wrong in one is raised at its end."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
