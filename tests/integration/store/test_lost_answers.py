"""The answer of every script is lost once: the call that repeats it succeeds and changes nothing.

That nothing has changed is checked by the fixture `client`, which reads all that is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import resources

import pytest
from pydantic_core import to_json
from tests.support.store.lists import expired_run
from tests.support.store.lossy_client import LossyClient
from tests.support.store.scene import (
    CALL,
    HOLDER,
    Scene,
    begin_message,
    end_message,
    park_call,
    write_partly,
)

from threadmill_shared import ids
from threadmill_shared.records.attachments import Attached
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.client_request import ClientRequest
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.files import FileContent, UploadedFile
from threadmill_shared.records.items import ImportedItem
from threadmill_shared.records.list_filters import RunFilter
from threadmill_shared.records.messages import user_message
from threadmill_shared.records.page import PageQuery
from threadmill_shared.records.run import Status
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.index_cleaner import IndexCleaner
from threadmill_shared.store.parked_runs import CallOutcome
from threadmill_shared.store.scripts import texts
from threadmill_shared.store.scripts.files import FileScripts
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.scripts.workers import WorkerScripts
from threadmill_shared.store.server import GAPS_FORMAT
from threadmill_workers.execution.interruption import LostRun
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
        index = f"{self.scene.keys.bucket(run_id)}dispatched"
        return f"{float(await self.scene.command('ZSCORE', index, run_id)):.0f}"

    async def run(self, call: ScriptCall) -> list[str]:
        """Run a script."""
        return await self.scene.store.session.runner.run(call)

    @property
    def of_workers(self) -> WorkerScripts:
        return WorkerScripts(self.scene.keys)

    async def renew_lease(self, registration: str) -> list[str]:
        call = self.of_workers.renew_lease(
            worker=WORKER.id, registration=registration, lease_ms=3000, tools_ms=60_000
        )
        return await self.run(call)

    async def register(self, known: str, registration: str) -> list[str]:
        call = self.of_workers.register(
            worker=WORKER.id,
            known=known,
            registration=registration,
            lease_ms=3000,
            tools_ms=60_000,
            rest=[],
        )
        return await self.run(call)


CASES: dict[str, Callable[[Story], Awaitable[None]]] = {}
"""By the name of the script."""


def case(act: Callable[[Story], Awaitable[None]]) -> Callable[[Story], Awaitable[None]]:
    CASES[act.__name__] = act
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
async def add_messages(story: Story) -> None:
    id = ids.new_message_id()
    story.lose()
    message = (id, user_message(id, "hello"))
    await story.scene.store.threads.add(story.scene.thread_id, [message], create=True)
    assert await story.scene.texts() == ["hello"]


@case
async def replace_text(story: Story) -> None:
    place = story.scene.keys.worker_state(WORKER.id)
    story.lose()
    assert await story.run(texts.replace_text(place=place, text="{}", lifetime=60)) == ["ok"]
    assert await story.scene.command("GET", place) == "{}"


@case
async def compare_and_set(story: Story) -> None:
    place = story.scene.keys.created("asst_1")
    story.lose()
    await story.run(texts.compare_and_set(place=place, was="", becomes="{}", lifetime=None))
    assert await story.scene.command("GET", place) == "{}"


@case
async def import_items(story: Story) -> None:
    id = ids.new_message_id()
    story.lose()
    item = ImportedItem(id, to_json(user_message(id, "hello")).decode(), 1_700_000_000_000)
    await story.scene.store.threads.import_items(story.scene.thread_id, [item], created_at=1)
    assert await story.scene.texts() == ["hello"]


@case
async def attach(story: Story) -> None:
    id, file = ids.new_message_id(), FileContent("file_1", "a.csv", b"1,2")
    store, thread_id = story.scene.store, story.scene.thread_id
    story.lose()
    message = user_message(id, "hello", attached=Attached(files=(file,)))
    await store.threads.add(
        thread_id, [(id, message)], create=True, attached=Attached(files=(file,))
    )
    assert await store.files.read_attached(thread_id, file.id) == file


@case
async def update_thread(story: Story) -> None:
    await story.scene.enqueue()
    story.lose()
    await story.scene.store.threads.update(story.scene.thread_id, metadata={"team": "red"})
    record = await story.scene.store.threads.record(story.scene.thread_id)
    assert record is not None
    assert record.metadata == {"team": "red"}


@case
async def read_messages(story: Story) -> None:
    id, threads = ids.new_message_id(), story.scene.store.threads
    await threads.add(story.scene.thread_id, [(id, user_message(id, "hello"))], create=True)
    story.lose()
    found = await threads.stored_messages(story.scene.thread_id, PageQuery())
    assert [one.read(story.scene.thread_id).text for one in found.data] == ["hello"]


@case
async def set_message_metadata(story: Story) -> None:
    id, threads = ids.new_message_id(), story.scene.store.threads
    await threads.add(story.scene.thread_id, [(id, user_message(id, "hello"))], create=True)
    story.lose()
    await threads.set_message_metadata(story.scene.thread_id, id, {"order": "7"})
    assert (await threads.message(story.scene.thread_id, id)).metadata == {"order": "7"}


@case
async def delete_message(story: Story) -> None:
    id, threads = ids.new_message_id(), story.scene.store.threads
    await threads.add(story.scene.thread_id, [(id, user_message(id, "hello"))], create=True)
    await story.scene.store.server.use_format(GAPS_FORMAT)
    story.lose()
    await threads.delete_message(story.scene.thread_id, id)
    assert await story.scene.texts() == []
    await story.scene.command("DEL", story.scene.keys.format())


@case
async def delete_thread(story: Story) -> None:
    await story.scene.store.runs.cancel((await story.scene.enqueue()).run_id)
    story.lose()
    await story.scene.store.threads.delete(story.scene.thread_id)
    assert await story.scene.store.threads.record(story.scene.thread_id) is None


@case
async def remove_runs(story: Story) -> None:
    scene = story.scene
    run = await scene.enqueue()
    await scene.store.runs.cancel(run.run_id)
    await scene.send(scene.commands.delete_thread(scene.thread_id))
    story.lose()
    await scene.store.threads.remove_runs_of_deleted(scene.thread_id)
    assert await scene.store.runs.record(run.run_id) is None
    assert await scene.members("all_runs") == []


@case
async def read_indexes(story: Story) -> None:
    run = await story.scene.enqueue()
    story.lose()
    page = await story.scene.store.lists.runs(RunFilter(), 5, None)
    assert [record.id for record in page] == [run.run_id]


@case
async def index_thread(story: Story) -> None:
    scene = story.scene
    run = await scene.enqueue()
    await scene.command("HDEL", scene.keys.run(run.run_id), "listed")
    await scene.command("ZREM", f"{scene.keys.bucket(run.run_id)}all_runs", run.run_id)
    story.lose()
    [part] = [one async for one in scene.store.indexer.index([scene.keys.thread(scene.thread_id)])]
    assert (part.missing, part.runs) == (0, 1)
    assert await scene.members("all_runs") == [run.run_id]


@case
async def trim_indexes(story: Story) -> None:
    scene = story.scene
    await expired_run(scene)
    story.lose()
    await scene.store.indexer.trim()
    assert await scene.members("all_runs") == []


@case
async def correct_statuses(story: Story) -> None:
    scene = story.scene
    run = await scene.enqueue()
    bucket, key = scene.keys.bucket(run.run_id), scene.keys.run(run.run_id)
    place = await scene.command("ZSCORE", f"{bucket}all_runs", run.run_id)
    await scene.store.runs.cancel(run.run_id)
    words = await scene.command("HGET", key, "listed")
    await scene.command("HSET", key, "listed", words.replace("cancelled", "queued"))
    await scene.command("UNLINK", f"{bucket}status:cancelled", f"{bucket}expiring")
    await scene.command("ZADD", f"{bucket}status:queued", place, run.run_id)
    story.lose()
    await scene.store.indexer.correct_statuses()
    assert await scene.members("status:queued") == []
    assert await scene.members("status:cancelled") == [run.run_id]
    assert await scene.members("expiring") == [f"{run.run_id} {words}"]


@case
async def remove_gone(story: Story) -> None:
    scene = story.scene
    run_id = await expired_run(scene)
    story.lose()
    await IndexCleaner(scene.store.session).remove(["all_runs"], [run_id])
    assert await scene.members("all_runs") == []
    await scene.store.indexer.trim()


@case
async def create_assistant(story: Story) -> None:
    definition = Definition(id="asst_1", name="Ada", model="gpt-5.4-mini")
    story.lose()
    await story.scene.store.assistants.create(definition)
    page = await story.scene.store.lists.assistants(5, None)
    assert [one.id for one in page] == ["asst_1"]


@case
async def note_delivery(story: Story) -> None:
    request, thread_id = ClientRequest("7a"), story.scene.thread_id
    await story.scene.store.threads.add(thread_id, [], create=True, request=request)
    requests = story.scene.store.client_requests
    story.lose()
    await requests.note_delivery(requests.mark(thread_id, request), thread_id, thread_id)


@case
async def delete_listed(story: Story) -> None:
    assistants = story.scene.store.assistants
    await assistants.create(Definition(id="asst_1", name="Ada", model="gpt-5.4-mini"))
    story.lose()
    assert await assistants.delete("asst_1")
    assert not await assistants.delete("asst_2")


@case
async def write_piece(story: Story) -> None:
    files, file = story.scene.store.uploaded_files, FileContent(ids.new_file_id(), "a.csv", b"1,2")
    story.lose()
    await files._write(file.id, [*file.fields()][:-1])
    await files.upload(file, purpose="assistants")
    assert await files.content(file.id) == file


@case
async def create_file(story: Story) -> None:
    files, file = story.scene.store.uploaded_files, FileContent(ids.new_file_id(), "a.csv", b"1,2")
    [(name, piece), _] = file.fields()
    scripts = FileScripts(story.scene.keys)
    await story.run(scripts.write_piece(file_id=file.id, field=name, value=piece))
    told = {"name": "a.csv", "bytes": 3, "image": None, "purpose": "vision", "created_at": 7}
    info = to_json(told | {"pieces": 1, "expires_at": None}).decode()
    story.lose()
    call = scripts.create_file(
        file_id=file.id, info=info, pieces=1, at="7.5", expires_at="", request="", requested=""
    )
    assert await story.run(call) == ["again"]  # the repeated call's answer
    assert await files.find(file.id) == UploadedFile(file.id, "a.csv", 3, "vision", 7)
    assert await files.content(file.id) == file


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
async def release(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    assert await held.release() == Dispatch(held.record.id, "tm", begun=True)


@case
async def store_field(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    file = FileContent("file_1", "f.txt", b"content")
    await held.store_produced(file)
    key = story.scene.keys.files(held.record.id)
    assert await story.scene.command("HGETALL", key) == dict(file.fields())
    await held.finish(Status.COMPLETED, Batch())
    with pytest.raises(LostRun):
        await held.store_produced(FileContent("file_2", "f.txt", b"too late"))


@case
async def park(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    assert await held.park(park_call(held, "output"), 600_000)
    assert await story.scene.status(held.record.id) == Status.REQUIRES_ACTION
    await story.scene.store.runs.cancel(held.record.id)


# ---- what somebody outside does to a parked run --------------------------------------------------


@case
async def lease_call(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(park_call(held, "output"), 600_000)
    parked = story.scene.store.parked_runs
    story.lose()
    took = await parked.lease_call(held.record.id, CALL, "first", may_repeat=False)
    assert took == ("kept", "")  # the repeated call's answer
    second = await parked.lease_call(held.record.id, CALL, "second", may_repeat=True)
    assert second == ("taken", "")
    await story.scene.store.runs.cancel(held.record.id)


@case
async def submit(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(park_call(held, "output"), 600_000)
    story.lose()
    sent = await story.scene.store.parked_runs.submit(held.record.id, CALL, CallOutcome("4"))
    assert sent == Dispatch(held.record.id, "tm", begun=True)
    assert (await story.scene.items())[-1]["output"] == "4"
    assert (await story.scene.event_names(held.record.id)).count("thread.run.queued") == 2


@case
async def submit_all(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(park_call(held, "output"), 600_000)
    story.lose()
    parked = story.scene.store.parked_runs
    submitted = await parked.submit_all(held.record.id, [(CALL, "4")], whole=True)
    assert submitted.send == Dispatch(held.record.id, "tm", begun=True)
    assert (await story.scene.items())[-1]["output"] == "4"
    assert (await story.scene.event_names(held.record.id)).count("thread.run.queued") == 2


@case
async def approve(story: Story) -> None:
    held = await story.scene.begin()
    await held.park(park_call(held, "approval"), 600_000)
    story.lose()
    sent = await story.scene.store.parked_runs.approve(held.record.id, CALL)
    assert sent == Dispatch(held.record.id, "tm", begun=True)


# ---- what others do to a run -------------------------------------------------------------------


@case
async def compact(story: Story) -> None:
    held = await story.scene.begin()
    await write_partly(held)
    for text in "abc":
        held.delta(0, text)
        await held.stored()
    await held.finish(Status.COMPLETED, end_message(held.record, "abc"))
    story.lose()
    assert await story.scene.store.logs.compact([held.record.id]) == ["ok"]


@case
async def cancel(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    following = await story.scene.enqueue()
    story.lose()
    ended = await story.scene.store.runs.cancel(run_id)
    assert (ended.status, ended.send) == (Status.CANCELLED, Dispatch(following.run_id, "tm"))


@case
async def set_run_metadata(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    story.lose()
    await story.scene.store.runs.set_metadata(run_id, {"order": "7"})
    assert (await story.scene.record(run_id)).metadata == {"order": "7"}


@case
async def force_end(story: Story) -> None:
    held = await story.scene.begin()
    following = await story.scene.enqueue()
    await story.scene.store.runs.cancel(held.record.id)
    story.lose()
    ended = await story.scene.store.runs.force_end(held.record.id)
    assert ended is not None
    assert (ended.status, ended.send) == (Status.CANCELLED, Dispatch(following.run_id, "tm"))


@case
async def reclaim(story: Story) -> None:
    held = await story.scene.begin()
    record = await story.scene.record(held.record.id)
    story.lose()
    taken = await story.scene.store.runs.reclaim(record, max_deaths=3)
    assert taken.send == Dispatch(held.record.id, "tm", begun=True)
    deaths = await story.scene.command("HGET", story.scene.keys.run(record.id), "deaths")
    assert deaths == "1"


@case
async def resend(story: Story) -> None:
    run_id = (await story.scene.enqueue()).run_id
    index = f"{story.scene.keys.bucket(run_id)}dispatched"
    await story.scene.command("ZINCRBY", index, -5000, run_id)  # so that it is late, as it must be
    place = await story.place(run_id)
    story.lose()
    assert await story.scene.store.indexes.resend(run_id, place) == Dispatch(run_id, "tm")
    assert await story.scene.store.indexes.resend(run_id, place) is None  # that is somebody else's


@case
async def count_waiting(story: Story) -> None:
    await story.scene.enqueue()
    story.lose()
    waiting = await story.scene.store.indexes.count_waiting()
    assert waiting.queued == {"tm": 1}


@case
async def scan(story: Story) -> None:
    held = await story.scene.begin()
    story.lose()
    found = await story.scene.store.indexes.scan(0, overdue=1, unclaimed=1)
    assert found.holders == {HOLDER.id}
    await held.release()


# ---- a worker's lease --------------------------------------------------------------------------


@case
async def register(story: Story) -> None:
    story.lose()
    assert await story.register("", WORKER.encode()) == ["ok"]


@case
async def renew_lease(story: Story) -> None:
    await story.register("", WORKER.encode())
    story.lose()
    assert await story.renew_lease(WORKER.encode()) == ["ok"]


@case
async def remove_worker(story: Story) -> None:
    await story.register("", WORKER.encode())
    held = await story.scene.begin()
    takeover = Takeover(story.scene.store, story.sent.append, max_deaths=3)
    story.lose()
    await takeover.remove_worker(Dead(WORKER.id, WORKER.encode(), expired=False))
    assert story.sent == [Dispatch(held.record.id, "tm", begun=True)]


async def test_a_worker_whose_registration_was_not_answered_is_not_taken_for_buried(
    scene: Scene, client: LossyClient
) -> None:
    """It comes back on another connection, so with another registration."""
    story = Story(scene, client)
    await story.register("", "confirmed")
    await story.register("confirmed", "unanswered")

    tried = "confirmed\nunanswered"
    assert await story.register(tried, "new") == ["ok"]

    # A copy of the unanswered call that was stuck on the old connection comes too late.
    late = await story.register("confirmed", "unanswered")
    assert late == ["buried"]
    assert await story.renew_lease("new") == ["ok"]


async def test_a_worker_that_was_buried_is_told_so_whatever_it_has_tried(
    scene: Scene, client: LossyClient
) -> None:
    story = Story(scene, client)
    await story.register("", "confirmed")
    call = story.of_workers.remove_worker(worker=WORKER.id, judged="confirmed", expired=False)
    await story.run(call)
    tried = "confirmed\nunanswered"
    assert await story.register(tried, "new") == ["buried"]
