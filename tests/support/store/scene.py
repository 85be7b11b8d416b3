"""A thread and its runs, for tests that tell how one story goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.state_machine.commands import Command, Commands
from tests.support.store.contents import Contents, read_contents
from tests.support.waiting import wait_until_async

from threadmill_shared import ids
from threadmill_shared.events.decoder import Event, LogDecoder
from threadmill_shared.records.changes import EnqueueCommand, Enqueued, WaitsFor, content_digest
from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.items import Item
from threadmill_shared.records.log import (
    MessageBegun,
    MessageCompleted,
    StatusChanged,
    ToolStepBegun,
)
from threadmill_shared.records.messages import assistant_message
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.store import Store
from threadmill_workers.execution.claim import claim
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.membership.identity import WorkerIdentity

HOLDER = WorkerIdentity("host:1:aaaa", "tm:bell:host:1:aaaa")
OTHER = WorkerIdentity("host:2:bbbb", "tm:bell:host:2:bbbb")
REQUEST = RunSnapshot(
    assistant_id="asst_1", assistant_name="Ada", model="gpt-5.4-mini", instructions="Be brief."
)
CALL = "call_1"


@dataclass
class Scene:
    """One thread of a store, and who works on it."""

    store: Store
    thread_id: str

    # ---- runs ----------------------------------------------------------------------------------

    def new_run(self, text: str | None = "hello", **options: Any) -> EnqueueCommand:
        thread_id = options.pop("thread_id", self.thread_id)
        given = {
            "run_id": ids.new_run_id(thread_id),
            "thread_id": thread_id,
            "request": REQUEST,
            "create_thread": True,
            "message_id": ids.new_message_id(),
            "message": text,
            "queue": "tm",
            "content_digest": content_digest(text),
        }
        return EnqueueCommand(**(given | options))

    async def enqueue(self, text: str | None = "hello", **options: Any) -> Enqueued:
        return await self.store.runs.enqueue(self.new_run(text, **options))

    async def claim(
        self, run_id: str, holder: WorkerIdentity = HOLDER
    ) -> HeldRun | RunRecord | None:
        return await claim(self.store, holder, run_id)

    async def begin(self, text: str | None = "hello", **options: Any) -> HeldRun:
        """Enqueue a run and claim it."""
        enqueued = await self.enqueue(text, **options)
        held = await self.claim(enqueued.run_id)
        assert isinstance(held, HeldRun)
        return held

    async def send(self, command: Command) -> list[Any]:
        """Run a script with arguments of the test's own."""
        return await self.store.session.runner.run(command.script_call())

    async def command(self, *command: Any) -> Any:
        """What Redis answers to one command."""
        return await self.store.session.runner.command(*command)

    @property
    def keys(self) -> Keys:
        return self.store.session.keys

    @property
    def commands(self) -> Commands:
        return Commands(self.keys.namespace)

    # ---- what is there -------------------------------------------------------------------------

    async def record(self, run_id: str) -> RunRecord:
        record = await self.store.runs.record(run_id)
        assert record is not None
        return record

    async def status(self, run_id: str) -> Status:
        return (await self.record(run_id)).status

    async def events(self, run_id: str, after: int = 0) -> list[Event]:
        """The run's events as a reader sees them who comes now."""
        reader = LogDecoder(await self.record(run_id))
        raw = await self.store.logs.raw_entries(run_id, after, 100_000)
        entries = await self.store.logs.parse(run_id, raw)
        return [event for entry in entries for event in reader.events(entry, after)]

    async def event_names(self, run_id: str) -> list[str]:
        return [event.event for event in await self.events(run_id)]

    async def texts(self) -> list[str]:
        """The thread's messages, in order."""
        return [m.text for m in await self.store.threads.messages(self.thread_id, 100, None, None)]

    async def items(self) -> list[Item]:
        last = await self.store.threads.last_position(self.thread_id)
        return [item for item, *_ in await self.store.threads.items(self.thread_id, 1, last)]

    async def contents(self) -> Contents:
        return await read_contents(self.store.session.client, self.keys.namespace)

    async def members(self, index: str) -> list[str]:
        """The members of an index of the thread's bucket."""
        members: list[str] = await self.command(
            "ZRANGE", self.keys.bucket(self.thread_id) + index, 0, -1
        )
        return members

    async def passes(self, at: int) -> None:
        """Wait until the server's clock is past this time, in milliseconds."""

        async def is_past() -> bool:
            seconds, microseconds = await self.command("TIME")
            return int(seconds) * 1000 + int(microseconds) // 1000 > at

        await wait_until_async(is_past)

    async def ttl(self, key: str) -> float:
        """Seconds that the key has left; -1: it stays."""
        left = int(await self.command("PTTL", key))
        return left / 1000 if left >= 0 else left


# ---- what a worker writes ----------------------------------------------------------------------


def begin_message(number: int = 0, step: int = 0) -> Batch:
    batch = Batch()
    batch.step(step, {"type": "message_creation", "message": number})
    batch.open_message(number, step, next_message=number + 1, next_step=step + 1)
    batch.record(MessageBegun(number, step))
    return batch


def end_message(record: RunRecord, text: str, number: int = 0, step: int = 0) -> Batch:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    batch = Batch()
    body = {"type": "message_creation", "message": number, "usage": usage}
    batch.step(step, body, "completed")
    batch.close_message()
    batch.end_turn(1, {"prompt_tokens": 5})
    batch.record(MessageCompleted(number, step, text, usage))
    batch.item(assistant_message(record, number, text))
    return batch


def begin_call(record: RunRecord, call_id: str, step: int = 0, *, is_begun: bool = True) -> Batch:
    calls = [[call_id, "roll_dice", '{"n":5}', None]]
    output: Item = {
        "type": "tool_output",
        "call_id": call_id,
        "provider_id": call_id,
        "output": "cut off",
        "failed": True,
        "run_id": record.id,
    }
    batch = Batch()
    batch.step(step, {"type": "tool_calls", "calls": calls})
    batch.record(ToolStepBegun(step, [call[:3] for call in calls]))
    batch.item(
        {
            "type": "tool_call",
            "id": call_id,
            "provider_id": call_id,
            "name": "roll_dice",
            "arguments": '{"n":5}',
            "run_id": record.id,
        }
    )
    batch.open_call(call_id, output)
    if is_begun:
        batch.begin_call(call_id)
    return batch


async def write_partly(held: HeldRun, *texts: str, number: int = 0, step: int = 0) -> None:
    """Begin a message and write these pieces of it."""
    held.put(begin_message(number, step))
    for text in texts:
        held.delta(number, text)
    await held.stored()


def park_call(held: HeldRun, what: WaitsFor) -> Batch:
    """What parks a run for the sake of a call."""
    batch = begin_call(held.record, CALL, is_begun=False)
    batch.wait_for(CALL, what)
    required = [[CALL, "roll_dice", "{}", what]]
    results = {"required": required, "started_at": held.record.started_at}
    batch.record(StatusChanged("requires_action", results))
    return batch
