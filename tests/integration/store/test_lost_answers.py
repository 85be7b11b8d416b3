"""The answer of every script is lost once: the call that repeats it succeeds and changes nothing.

That nothing has changed is checked by the fixture `client`, which reads all that is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import resources

import pytest
from pydantic_core import to_json
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import HOLDER, Scene, begin_call, begin_message

from threadmill_shared import ids
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.changes import Dispatch, WaitsFor
from threadmill_shared.records.files import File
from threadmill_shared.records.items import ImportedItem
from threadmill_shared.records.log import StatusChanged
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.run import Status
from threadmill_shared.store.files import read_file
from threadmill_shared.store.parked_runs import CallOutcome, ParkedRuns
from threadmill_shared.store.scripts import script
from threadmill_shared.store.workers import WorkerInfo
from threadmill_workers.execution.batch import Batch
from threadmill_workers.execution.held_run import HeldRun, LostRun
from threadmill_workers.membership.failure_detector import Dead
from threadmill_workers.recovery.takeover import Takeover

WORKER = WorkerInfo(HOLDER.id, HOLDER.name, 0, "tm.aaaa", ("tm", "tm.begun"))


@dataclass
class Story:
    """A scene in which the next answer can be lost."""

    scene: Scene
    client: LossyClient
    sent: list[Dispatch | None] = field(default_factory=list)

    def lose(self) -> None:
        self.client.outcomes.clear()
        self.client.lose_next_answer()

    async def place(self, run_id: str) -> str:
        """The run's score in the dispatched index."""
        index = f"{self.scene.store.keys.bucket(run_id)}dispatched"
        return f"{float(await self.scene.store.read('ZSCORE', index, run_id)):.0f}"

    async def of_worker(self, name: str, **more: str | int) -> list[str]:
        """Run a script of a worker's lease."""
        keys, wanted = self.scene.store.keys, script(name)
        given = {
            "worker": WORKER.id,
            "registration": WORKER.encode(),
            "lease_ms": 3000,
            "tools_ms": 60_000,
            **more,
        }
        reply: list[str] = await self.scene.store.scripts.run(
            name,
            keys={
                "alive": keys.alive(),
                "lease": keys.lease(WORKER.id),
                "tools": keys.tools(WORKER.id),
            },
            args={arg: given[arg] for arg in wanted.args},
        )
        return reply


CALL = "call_1"


def parking(held: HeldRun, what: WaitsFor) -> Batch:
    """What parks a run for the sake of a call."""
    batch = begin_call(held.record, CALL, is_begun=False)
    batch.wait_for(CALL, what)
    required = [[CALL, "roll_dice", "{}", what]]
    batch.record(StatusChanged("requires_action", {"required": required}))
    return batch


CASES: dict[str, Callable[[Story], Awaitable[None]]] = {}
"""By the name of the script."""


def case(act: Callable[[Story], Awaitable[None]]) -> Callable[[Story], Awaitable[None]]:
    CASES[act.__name__.removesuffix("_")] = act
    return act


def scripts() -> set[str]:
    folder = resources.files("threadmill_shared.store") / "lua"
    return {file.name.removesuffix(".lua") for file in folder.iterdir() if file.is_file()}


def test_every_script_is_among_the_cases() -> None:
    assert set(CASES) == scripts()


@pytest.mark.parametrize("name", sorted(scripts()))
async def test_a_call_whose_answer_was_lost_is_repeated_and_changes_nothing(
    name: str, scene: Scene, client: LossyClient
) -> None:
    story = Story(scene, client)
    await CASES[name](story)
    first, repeated = client.outcomes[:2]
    assert repeated in {"again", "kept", first, "ended"}


# ---- what creates ------------------------------------------------------------------------------


@case
async def enqueue(story: Story) -> None:
    story.lose()
    enqueued = await story.scene.enqueue("hello")
    assert enqueued.send == Dispatch(enqueued.run_id, "tm")
    assert await story.scene.texts() == ["hello"]


@case
async def add(story: Story) -> None:
    id = ids.new_message_id()
    story.lose()
    message = (id, user_message(id, "hello"))
    await story.scene.store.add(story.scene.thread_id, [message], create=True)
    assert await story.scene.texts() == ["hello"]


@case
async def replace(story: Story) -> None:
    scripts = story.scene.store.scripts
    place = story.scene.store.keys.created("asst_1")
    story.lose()
    given = {"was": "", "becomes": "{}", "lifetime": ""}
    await scripts.run("replace", keys={"place": place}, args=given)
    assert await story.scene.store.read("GET", place) == "{}"


@case
async def import_(story: Story) -> None:
    id = ids.new_message_id()
    story.lose()
    item = ImportedItem(id, to_json(user_message(id, "hello")).decode(), 1_700_000_000_000)
    await story.scene.store.bring_in(story.scene.thread_id, [item], created_at=1)
    assert await story.scene.texts() == ["hello"]


@case
async def attach(story: Story) -> None:
    id, file = ids.new_message_id(), File("file_1", "a.csv", b"1,2")
    store, thread_id = story.scene.store, story.scene.thread_id
    story.lose()
    message = user_message(id, "hello", attached=Attached(files=(file,)))
    await store.add(thread_id, [(id, message)], create=True, attached=Attached(files=(file,)))
    assert await read_file(store, store.keys.attached(thread_id), file.id) == file


@case
async def delete(story: Story) -> None:
    await story.scene.store.cancel((await story.scene.enqueue()).run_id)
    story.lose()
    await story.scene.store.delete(story.scene.thread_id)
    assert await story.scene.store.thread_fields(story.scene.thread_id) == {}


# ---- what a holder writes ----------------------------------------------------------------------


@case
async def claim(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    story.lose()
    held = await story.scene.claim(run_id)
    assert held is not None
    assert (await story.scene.record(run_id)).attempts == 1


@case
async def append(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    held.put(begin_message())
    held.delta(0, "once")
    await held.stored()
    assert (await story.scene.event_names(held.record.id)).count("thread.message.delta") == 1


@case
async def finish(story: Story) -> None:
    held = await story.scene.begin()
    following = await story.scene.enqueue()
    story.lose()
    assert await held.finish(Status.COMPLETED, Batch()) == Dispatch(following.run_id, "tm")


@case
async def yield_(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    assert await held.give_back() == Dispatch(held.record.id, "tm", begun=True)


@case
async def keep(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    await held.keep("files", "file_1", "content")
    key = story.scene.store.keys.files(held.record.id)
    assert await story.scene.store.read("HGETALL", key) == {"file_1": "content"}
    await held.finish(Status.COMPLETED, Batch())
    with pytest.raises(LostRun):
        await held.keep("files", "file_2", "too late")


@case
async def park(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    assert await held.park(parking(held, "output"), 600_000)
    assert await story.scene.status(held.record.id) == Status.REQUIRES_ACTION
    await story.scene.store.cancel(held.record.id)


# ---- what somebody outside does to a parked run --------------------------------------------------


@case
async def take(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(parking(held, "output"), 600_000)
    parked = ParkedRuns(story.scene.store)
    story.lose()
    took = await parked.take(held.record.id, CALL, "first", may_repeat=False)
    assert took == ("kept", "")  # the repeated call's answer
    second = await parked.take(held.record.id, CALL, "second", may_repeat=True)
    assert second == ("taken", "")
    await story.scene.store.cancel(held.record.id)


@case
async def submit(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(parking(held, "output"), 600_000)
    story.lose()
    sent = await ParkedRuns(story.scene.store).submit(held.record.id, CALL, CallOutcome("4"))
    assert sent == Dispatch(held.record.id, "tm", begun=True)
    assert (await story.scene.items())[-1]["output"] == "4"
    assert (await story.scene.event_names(held.record.id)).count("thread.run.queued") == 2


@case
async def approve(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(parking(held, "approval"), 600_000)
    story.lose()
    sent = await ParkedRuns(story.scene.store).approve(held.record.id, CALL)
    assert sent == Dispatch(held.record.id, "tm", begun=True)


# ---- what others do to a run -------------------------------------------------------------------


@case
async def cancel(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    following = await story.scene.enqueue()
    story.lose()
    ended = await story.scene.store.cancel(run_id)
    assert (ended.status, ended.send) == (Status.CANCELLED, Dispatch(following.run_id, "tm"))


@case
async def force(story: Story) -> None:
    held = await story.scene.begin()
    following = await story.scene.enqueue()
    await story.scene.store.cancel(held.record.id)
    story.lose()
    ended = await story.scene.store.force(held.record.id)
    assert ended is not None
    assert (ended.status, ended.send) == (Status.CANCELLED, Dispatch(following.run_id, "tm"))


@case
async def reclaim(story: Story) -> None:
    held = await story.scene.begin()
    record = await story.scene.record(held.record.id)
    story.lose()
    taken = await story.scene.store.reclaim(record, max_deaths=3)
    assert taken.send == Dispatch(held.record.id, "tm", begun=True)
    deaths = await story.scene.store.read("HGET", story.scene.store.keys.run(record.id), "deaths")
    assert deaths == "1"


@case
async def resend(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    place = await story.place(run_id)
    story.lose()
    assert await story.scene.store.resend(run_id, place) == Dispatch(run_id, "tm")
    assert await story.scene.store.resend(run_id, place) is None  # that is somebody else's


@case
async def look(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    found = await story.scene.store.look(0, overdue=1, unclaimed=1)
    assert found.holders == {HOLDER.id}
    await held.give_back()


# ---- a worker's lease --------------------------------------------------------------------------


@case
async def register(story: Story) -> None:
    story.lose()
    assert await story.of_worker("register", known="") == ["ok"]


@case
async def beat(story: Story) -> None:
    await story.of_worker("register", known="")
    story.lose()
    assert await story.of_worker("beat") == ["ok"]


@case
async def bury(story: Story) -> None:
    await story.of_worker("register", known="")
    held = await story.scene.begin()
    takeover = Takeover(story.scene.store, story.sent.append, max_deaths=3)
    story.lose()
    await takeover.bury(Dead(WORKER.id, WORKER.encode(), expired=False))
    assert story.sent == [Dispatch(held.record.id, "tm", begun=True)]


async def test_a_worker_whose_registration_was_not_answered_is_not_taken_for_buried(
    scene: Scene, client: LossyClient
) -> None:
    """It comes back on another connection, so with another registration."""
    story = Story(scene, client)
    await story.of_worker("register", known="", registration="confirmed")
    await story.of_worker("register", known="confirmed", registration="unanswered")

    tried = "confirmed\nunanswered"
    assert await story.of_worker("register", known=tried, registration="new") == ["ok"]

    # A copy of the unanswered call that was stuck on the old connection comes too late.
    late = await story.of_worker("register", known="confirmed", registration="unanswered")
    assert late == ["buried"]
    assert await story.of_worker("beat", registration="new") == ["ok"]


async def test_a_worker_that_was_buried_is_told_so_whatever_it_has_tried(
    scene: Scene, client: LossyClient
) -> None:
    story = Story(scene, client)
    await story.of_worker("register", known="", registration="confirmed")
    await story.of_worker("bury", judged="confirmed", expired=0)
    tried = "confirmed\nunanswered"
    assert await story.of_worker("register", known=tried, registration="new") == ["buried"]
