"""An executor with all that it needs, but for a worker's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from tests.support.store.scene import HOLDER, Scene
from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.model import ModelEvent, ModelRequest, TextDelta
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.settings import Settings
from threadmill_shared.tools import ToolRegistry
from threadmill_workers.consuming.task_events import TaskEvents
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.execution.worker_watch import WorkerWatch
from threadmill_workers.membership.identity import WorkerIdentity


@dataclass
class Silent:
    """A model that says one word and then nothing more."""

    open: int = 0
    """Streams that are being read."""
    asked: int = 0
    word: str = "Once"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.open += 1
        self.asked += 1
        try:
            yield TextDelta(self.word)
            await asyncio.sleep(3600)
        finally:
            self.open -= 1

    async def close(self) -> None:
        pass


@dataclass
class Leased:
    """A lease that is confirmed when the test says so."""

    holder: WorkerIdentity = HOLDER
    is_confirmed_now: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_until_confirmed(self) -> None:
        await self.is_confirmed_now.wait()


@dataclass
class Outbox:
    """Takes what is sent."""

    sent: list[Dispatch] = field(default_factory=list)

    def send(self, dispatch: Dispatch | None) -> None:
        if dispatch is not None:
            self.sent.append(dispatch)


@dataclass
class Bench:
    """An executor with all that it needs."""

    scene: Scene
    model: Any = field(default_factory=Silent)
    lease: Leased = field(default_factory=Leased)
    outbox: Outbox = field(default_factory=Outbox)
    begun: list[asyncio.Future[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lease.is_confirmed_now.set()
        means: dict[str, Any] = {"lease": self.lease, "sender": self.outbox, "runner": None}
        self.told: list[Any] = []
        self.events = TaskEvents(asyncio.get_running_loop(), self.told.extend)
        self.executor = Executor(
            WorkerContext(
                settings=Settings(),
                store=self.scene.store,
                model=self.model,
                tools=ToolRegistry(),
                events=self.events,
                worker_watch=WorkerWatch(self.scene.store.workers),
                **means,
            )
        )

    async def close(self) -> None:
        """Leave nothing running, also where a test has failed."""
        for task in self.begun:
            task.cancel()
        if self.begun:
            await asyncio.wait(self.begun)

    def begin(self, run_id: str, task_id: str = "task") -> asyncio.Future[None]:
        work = self.executor.execute(run_id, task_id=task_id)
        self.begun.append(asyncio.ensure_future(work))
        return self.begun[-1]

    async def begin_and_ask(self, task_id: str = "task") -> str:
        """A run in the middle of its answer."""
        run_id = (await self.scene.enqueue(thread_id=ids.new_thread_id())).run_id
        asked = self.model.asked
        self.begin(run_id, task_id)
        await wait_until_async(lambda: self.model.asked > asked)
        return run_id
