"""What a run costs in round trips, as `docs/architecture.md` says."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.support.paths import ROOT
from tests.support.store.scene import HOLDER, Scene, end_message, write_partly

from threadmill.testing import ScriptedModel
from threadmill_shared.events.decoder import Event
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.records.run import Status
from threadmill_shared.settings import Settings
from threadmill_shared.tools import ToolRegistry
from threadmill_workers.consuming.task_events import TaskEvents
from threadmill_workers.execution.executor import Executor
from threadmill_workers.execution.worker_context import WorkerContext
from threadmill_workers.execution.worker_watch import WorkerWatch


def named_cost(step: str) -> int:
    """How many round trips the page says that a step costs."""
    page = (ROOT / "docs/architecture.md").read_text()
    [count] = re.findall(rf"^\| {re.escape(step)}.* \| (\d+) \|$", page, re.MULTILINE)
    return int(count)


class Leased:
    """A lease that is always confirmed."""

    holder = HOLDER

    async def wait_until_confirmed(self) -> None:
        pass


class NoSender:
    """Sends nothing: no run waits in these threads."""

    def send(self, dispatch: object) -> None:
        assert dispatch is None


def executor(scene: Scene, model: ScriptedModel) -> Executor:
    means: dict[str, Any] = {"lease": Leased(), "sender": NoSender(), "runner": None}
    return Executor(
        WorkerContext(
            settings=Settings(),
            store=scene.store,
            model=model,
            tools=ToolRegistry(),
            events=TaskEvents(asyncio.get_running_loop(), lambda _: None),
            worker_watch=WorkerWatch(scene.store.workers),
            **means,
        )
    )


async def enqueue_and_forget(scene: Scene, client: Any) -> str:
    """Enqueue a run and ask for replicas; that does not count."""
    run_id = (await scene.enqueue()).run_id
    await scene.store.wait_for_replica(scene.thread_id)
    client.round_trips.clear()
    return run_id


def counted(client: Any) -> list[tuple[str, ...]]:
    """The round trips, without those that a slow machine makes: replicas are asked every second."""
    return [commands for commands in client.round_trips if commands != ("INFO",)]


@pytest.mark.any_server
async def test_an_enqueue_costs_a_producer_what_the_page_says(scene, client):
    await enqueue_and_forget(scene, client)

    await scene.enqueue()

    assert len(counted(client)) == named_cost("a producer enqueues a run")


@pytest.mark.any_server
async def test_a_run_of_one_turn_costs_its_worker_what_the_page_says(scene, client):
    worker = executor(scene, ScriptedModel("Once", "Once upon a time"))
    await worker.execute((await scene.enqueue()).run_id)  # the server knows the scripts then
    run_id = await enqueue_and_forget(scene, client)

    await worker.execute(run_id, task_id="task")

    steps = ("a worker claims the run", "it writes what has arrived", "it ends the run")
    assert counted(client) == [("EVALSHA",)] * sum(map(named_cost, steps))
    assert await scene.texts() == ["hello", "Once", "hello", "Once upon a time"]


@pytest.mark.any_server
async def test_a_follower_costs_a_producer_what_the_page_says(scene, client, notifications):
    run_id = await enqueue_and_forget(scene, client)
    held = await scene.claim(run_id)
    follower = LogFollower(scene.store, notifications)
    groups: list[list[Event]] = []
    stream = follower.follow(run_id)
    client.round_trips.clear()

    groups.append(await anext(stream))

    assert len(client.round_trips) == named_cost("it begins to follow the run")
    waiting = asyncio.ensure_future(anext(stream))
    await write_partly(held, "Once")
    groups.append(await waiting)
    reads = [commands for commands in client.round_trips[1:] if commands != ("EVALSHA",)]
    assert reads == [("XRANGE",)] * named_cost("it reads what a notification")
    await held.finish(Status.COMPLETED, end_message(held.record, "Once"))
    groups += [group async for group in stream]
    assert [event.id for group in groups for event in group] == [
        *range(1, sum(map(len, groups)) + 1)
    ]
