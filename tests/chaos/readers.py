"""Readers that follow runs while they go on, and what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from threadmill import Event, Run, errors

_AT_ONCE = 20
_LOAD_SECONDS = 1.0


class Reader:
    """Follows one run to its end; some leave in the middle, and go on from the last number."""

    def __init__(self, run_id: str, leave_at: int | None) -> None:
        self.run_id = run_id
        self.seen: list[Event] = []
        self.trouble = ""
        self._leave_at = leave_at

    async def work(self) -> None:
        try:
            while not self.has_ended:
                before = len(self.seen)
                try:
                    await self._follow()
                except errors.StoreUnavailable:  # without a Redis none begins; it is begun again
                    await asyncio.sleep(_LOAD_SECONDS)
                    continue
                if len(self.seen) == before:
                    self.trouble = "an end without a done"
                    return
        except (errors.ThreadmillError, TimeoutError) as error:
            self.trouble = f"{type(error).__name__}: {error}"

    async def _follow(self) -> None:
        run = await _patiently(self.run_id)
        stream = run.events_async(after=self.seen[-1].id if self.seen else 0)
        async for event in stream:
            self.seen.append(event)
            if event.id == self._leave_at:
                break
        await stream.aclose()

    @property
    def has_ended(self) -> bool:
        return bool(self.seen) and self.seen[-1].event == "done"

    @property
    def is_streaming(self) -> bool:
        return bool(self.seen) and not self.has_ended and self.seen[-1].id > 2

    async def compared(self) -> Iterator[str]:
        """Where the log as it is now is not what was seen while it was made."""
        run = await Run.load_async(self.run_id)
        return differences(self, [event async for event in run.events_async()])

    def of_open_run(self) -> Iterator[str]:
        """What can be said of a run that is not over, whose log goes on."""
        return differences(self, self.seen)


class Readers:
    """Some of the runs."""

    def __init__(self) -> None:
        self.all: dict[str, Reader] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, run_id: str) -> None:
        number = len(self.all)
        reader = Reader(run_id, leave_at=None if number % 3 else 5 + number % 23)
        self.all[run_id] = reader
        self._tasks.append(asyncio.create_task(reader.work()))

    async def held_by(self, worker_name: str) -> list[str]:
        """Those that this worker executes now."""
        candidates = [reader.run_id for reader in self.all.values() if reader.is_streaming]
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                runs = await asyncio.gather(*map(Run.load_async, candidates))
        except (errors.ThreadmillError, TimeoutError):
            return []  # Redis is away
        held = [run for run in runs if run.status == "in_progress"]
        return [run.id for run in held if run.worker == worker_name]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def differences(self, over: set[str]) -> list[str]:
        """Of all readers; those of runs that are over are compared with the log as it is now."""
        readers = [reader for reader in self.all.values() if reader.run_id in over]
        left = [reader for reader in self.all.values() if reader.run_id not in over]
        found = [line for reader in left for line in reader.of_open_run()]
        for start in range(0, len(readers), _AT_ONCE):
            some = readers[start : start + _AT_ONCE]
            for lines in await asyncio.gather(*(reader.compared() for reader in some)):
                found += lines
        return found


def differences(reader: Reader, stored: Iterable[Event]) -> Iterator[str]:
    if reader.trouble:
        yield f"the reader of {reader.run_id} ended with {reader.trouble}"
    seen, log = reader.seen, list(stored)
    if [event.id for event in seen] != list(range(1, len(seen) + 1)):
        yield f"the reader of {reader.run_id} saw {[event.id for event in seen]}"
    elif seen != log:
        pairs = zip(seen, log, strict=False)
        other = next((pair for pair in pairs if pair[0] != pair[1]), None)
        counts = f"{len(seen)} events of {len(log)}"
        yield f"the reader of {reader.run_id} saw {counts}; differs: {other}"


async def _patiently(run_id: str) -> Run:
    while True:
        try:
            return await Run.load_async(run_id)
        except errors.StoreUnavailable:
            await asyncio.sleep(0.2)
