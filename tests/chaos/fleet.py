"""Workers, each in a place of its own; a supervisor fills a place that has become empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.chaos.networks import Leaf
from tests.support.processes.worker import Worker
from tests.support.waiting import wait_until_async

BOTS = Path(__file__).parent / "bots"
_LOOK_SECONDS = 0.1
START_SECONDS = 120.0
"""Others may be at work on this machine."""


class Place:
    """Where one worker lives, and after it the next one."""

    def __init__(self, start: Callable[[str], Worker], name: str, leaf: Leaf | None) -> None:
        self._start = start
        self.name = name
        self.leaf = leaf
        self.is_disturbed = False
        """A fault is at work here; no second one is injected."""
        self.was_told_to_end = False
        self.generation = 0
        self.fill()

    def fill(self) -> None:
        self.was_told_to_end = False
        self.worker = self._start(f"{self.name}-{self.generation}")
        self.generation += 1
        self._worker_name = ""

    @property
    def worker_name(self) -> str:
        """`host:pid`; empty before it is ready."""
        self._worker_name = self._worker_name or self.worker.name
        return self._worker_name

    @property
    def is_well(self) -> bool:
        return bool(
            not self.is_disturbed
            and not self.was_told_to_end
            and not self.worker.has_ended()
            and self.worker_name
        )

    def kill(self) -> None:
        self.was_told_to_end = True
        self.worker.kill()

    def terminate(self) -> None:
        self.was_told_to_end = True
        self.worker.terminate()


class Fleet:
    """All places."""

    def __init__(
        self, folder: Path, leaves: Sequence[Leaf | None], of_leaf: Mapping[str, str]
    ) -> None:
        """One worker per entry of `leaves`; `of_leaf` are the settings of those in one."""
        self._folder, self._of_leaf = folder, of_leaf
        self.ended_by_themselves: list[str] = []
        """Names of the logs of workers that were ready, and that nobody had told to end."""
        self.places = [
            Place(self._starter(leaf), f"worker-{number}", leaf)
            for number, leaf in enumerate(leaves)
        ]

    def _starter(self, leaf: Leaf | None) -> Callable[[str], Worker]:
        environment = self._of_leaf if leaf else {}
        prefix = leaf.prefix if leaf else ()
        return lambda name: Worker(
            self._folder / f"{name}.log", ("chaotic",), BOTS, environment, prefix
        )

    async def supervise(self) -> None:
        """Fill empty places, for ever."""
        while True:
            for place in self.places:
                if place.worker.has_ended():
                    # One that finds no Redis at its start may give up; it is started again.
                    if place.worker_name and not place.was_told_to_end:
                        self.ended_by_themselves.append(f"{place.name}-{place.generation - 1}")
                    place.fill()
            await asyncio.sleep(_LOOK_SECONDS)

    def well(self) -> list[Place]:
        return [place for place in self.places if place.is_well]

    async def whole(self, at_least: int | None = None) -> None:
        """Wait until so many are well; None: all."""
        count = len(self.places) if at_least is None else at_least
        await wait_until_async(
            lambda: len(self.well()) >= count, f"{count} workers are well", START_SECONDS
        )

    def place_of(self, worker_name: str | None) -> Place | None:
        """Where the worker lives that is called so; None: nowhere, or not undisturbed."""
        return next((place for place in self.well() if place.worker_name == worker_name), None)

    def close(self) -> None:
        """End all of them, in order if they can; the rest at once."""
        for place in self.places:
            place.worker.thaw()
            place.terminate()
        for place in self.places:
            if not place.worker.ends():
                self.ended_by_themselves.append(f"{place.name} (SIGTERM did not end it)")
