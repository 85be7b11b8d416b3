"""A producer as a process of its own: says something all along, and takes its death in stride.

    python -m tests.chaos.producer NAME SEED OUTSTANDING FILE

It notes in FILE what it is about to say, then the run, and the run's end. While it waits for a run,
it executes the calls of its own functions. A successor says again, with the same idempotency key,
what was noted and has no run, and waits for the others; if OUTSTANDING is 0, no more than that.
SIGUSR1: it dies at its next send, when the run is stored and no worker knows of it. SIGTERM: it
ends in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos import callers
from tests.chaos.ledger import Ledger
from tests.chaos.says import Say, invent

from threadmill import Assistant, Run, Thread, errors
from threadmill.client.current import close_client, current_client
from threadmill_shared.broker.sender import Sender
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import Status

HOT_THREADS = 4
"""Producers share these."""
HOT_SHARE = 0.1
SAYS_PER_THREAD = 25
"""Then the thread is left alone: a history is sent whole with each request."""
OPEN_THREADS = 60
"""Cold threads that a producer talks on at a time."""
_PAUSE = 0.2


class MortalSender(Sender):
    """Once it is doomed, its next send is its process's end."""

    doomed = False

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(current_client().settings)
        self._ledger = ledger

    def send(self, dispatch: Dispatch | None) -> None:
        if self.doomed and dispatch is not None:
            self._ledger.add("unsent", run=dispatch.run_id)
            os._exit(1)
        super().send(dispatch)


class Producer:
    """Says one thing after the other; a thread's says keep their order."""

    def __init__(self, name: str, seed: str, outstanding: int, ledger: Ledger) -> None:
        self._name, self._ledger = name, ledger
        self._free = asyncio.Semaphore(outstanding)
        self._waits: set[asyncio.Task[None]] = set()
        self._said: Counter[str] = Counter()
        self._pending: dict[str, str] = {}
        self._begun: dict[str, None] = {}
        """Runs that no predecessor has seen end."""
        self._remember()
        self._dice = random.Random(f"{seed}/{name}/{self._said.total()}")
        self.stop = asyncio.Event()
        if not outstanding:
            self.stop.set()

    async def work(self) -> None:
        for run_id in self._begun:
            self._wait_for(run_id)
        for text in list(self._pending.values()):
            await self._enqueue(Say.read(text))
        while not self.stop.is_set():
            if await self._may_go_on():
                await self._enqueue(self._next())
        while self._waits:
            await asyncio.wait(self._waits)

    def _remember(self) -> None:
        for line in self._ledger.lines():
            if line.get("producer") != self._name:
                continue
            if line["what"] == "say":
                self._said[line["thread"]] += 1
                self._pending[line["key"]] = line["text"]
            elif line["what"] == "run":
                self._pending.pop(line["key"], None)
                self._begun[line["run"]] = None
            elif line["what"] == "ended":
                self._begun.pop(line["run"], None)

    def _next(self) -> Say:
        thread = self._thread()
        say = invent(self._dice, thread, self._name, self._said[thread])
        self._said[thread] += 1
        fields = {"producer": self._name, "key": say.key, "thread": thread}
        self._ledger.add("say", text=say.text, **fields)
        return say

    def _thread(self) -> str:
        if self._dice.random() < HOT_SHARE:
            number = self._dice.randrange(HOT_THREADS)
            hot = sum(n for name, n in self._said.items() if name.startswith(f"hot-{number}-"))
            return f"hot-{number}-{hot // SAYS_PER_THREAD}"
        filled = sum(n for name, n in self._said.items() if name.startswith("cold-"))
        first = filled // SAYS_PER_THREAD
        return f"cold-{self._name}-{first + self._dice.randrange(OPEN_THREADS)}"

    async def _enqueue(self, say: Say) -> None:
        while True:
            try:
                # Anew each time: it is the first read, and the store may be away.
                assistant, thread = await Assistant.load_async("chaotic"), Thread(key=say.thread)
                run = await assistant.enqueue_async(
                    *(say.text, thread),
                    idempotency_key=say.key,
                    additional_tools=[callers.sign, callers.draw],
                )
                break
            except (errors.StoreUnavailable, errors.AssistantNotFound):
                await asyncio.sleep(_PAUSE)
        self._ledger.add("run", producer=self._name, key=say.key, run=run.id)
        self._wait_for(run.id, self._free.release)

    def _wait_for(self, run_id: str, at_its_end: Callable[[], None] = lambda: None) -> None:
        wait = asyncio.create_task(self._wait(run_id, at_its_end))
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)

    async def _wait(self, run_id: str, at_its_end: Callable[[], None]) -> None:
        status = Status.QUEUED
        while not status.is_terminal:
            with contextlib.suppress(errors.StoreUnavailable):
                # By its id: the functions are found in the module that this process has loaded.
                status = (await (await Run.load_async(run_id)).wait_async()).status
            await asyncio.sleep(_PAUSE)
        self._ledger.add("ended", producer=self._name, run=run_id)
        at_its_end()

    async def _may_go_on(self) -> bool:
        """Wait until fewer runs are under way, or this producer is to stop."""
        free = asyncio.ensure_future(self._free.acquire())
        stop = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({free, stop}, return_when=asyncio.FIRST_COMPLETED)
        free.cancel(), stop.cancel()
        return not self.stop.is_set()


async def main(name: str, seed: str, outstanding: str, path: str) -> None:
    producer = Producer(name, seed, int(outstanding), Ledger(Path(path)))
    client = current_client()
    client._sender = sender = MortalSender(Ledger(Path(path)))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, producer.stop.set)
    loop.add_signal_handler(signal.SIGUSR1, setattr, sender, "doomed", True)
    print("ready", flush=True)
    await producer.work()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
    close_client()
