"""A run that this worker holds: the fenced writes, and the ways to let go.

Each write carries the attempt's token and a serial number. A token that is no longer the record's
means that somebody else has the run: the holder stops, and changes nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from threadmill_shared import errors
from threadmill_shared.hosted_tools import with_resources
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.files import FileContent, FileFailure, ThreadVectorStore, Upload
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.call_marks import CallMarks
from threadmill_shared.store.files import LeftOutNotes
from threadmill_shared.store.run_writer import RunWriter
from threadmill_workers.execution.append_stream import AppendStream
from threadmill_workers.execution.interruption import Interruption, LostRun
from threadmill_workers.execution.turn import stored_usage

_REPLICA_PAUSE = 0.1
"""Seconds before a replica is asked again."""


class HeldRun:
    """One attempt's right to write for a run."""

    def __init__(
        self,
        writer: RunWriter,
        record: RunRecord,
        *,
        seconds_left: float,
        position: int,
        recent_items: Sequence[tuple[int, str]] = (),
        left_out: str | None = None,
        tool_resources: Mapping[str, Any] | None = None,
    ) -> None:
        """A run that was just claimed.

        Args:
            writer: what writes for the run.
            record: the run's record, as it was claimed.
            seconds_left: until its deadline.
            position: of the thread's last item.
            recent_items: the thread's newest items with their positions, as they are stored, so far
                as they are at hand.
            left_out: what models did not take of the thread, as it is stored; None: not known.
            tool_resources: what the thread has for hosted tools.
        """
        self.record = record
        self.seconds_left = seconds_left
        """Until the deadline, at the time of the claim."""
        self.position = position
        """Of the thread's last item, at the time of the claim."""
        self.left_out = left_out
        """What models did not take of the thread, at the time of the claim; None: not known."""
        self.hosted = with_resources(record.request.hosted, tool_resources or {})
        """The run's hosted tools, with what its thread has for them."""
        self.tokens = stored_usage(record.usage).total_tokens
        """What the run's model requests have cost so far."""
        self.ended_as: Status | None = None
        """How the run has ended, once `finish` has ended it."""
        self.stop_reason: Interruption | None = None
        self.is_calling_tools = False
        """Whether functions are being called, which cannot be repeated as a stream can."""
        self.awaited_function = ""
        """Identity of the function for which the run waits for a worker; empty: it does not."""
        self._recent_items = recent_items
        self._is_draining = False
        self._writer = writer
        self._stream = AppendStream(writer, self.stop)
        self._claimed_at = time.monotonic()
        self._interrupt: Callable[[], object] = lambda: None

    @property
    def token(self) -> str:
        """Proves this attempt to the scripts."""
        return self._writer.token

    @property
    def finds_no_room(self) -> bool:
        """Whether the store is full and takes nothing in; what is read on would pile up here."""
        return self._stream.finds_no_room

    @property
    def refusal(self) -> str:
        """The class of the error with which the store has refused a write for good."""
        return self._stream.refusal

    @property
    def seconds(self) -> float:
        """Since the run's first claim, whoever has executed it meanwhile."""
        started_at, since_claim = self.record.started_at, time.monotonic() - self._claimed_at
        return since_claim + (self._before_claim(started_at) or 0)

    @property
    def waited_seconds(self) -> float | None:
        """How long the run could be claimed before it was; None if that is not stored."""
        return self._before_claim(self.record.queued_at)

    def _before_claim(self, at: int | None) -> float | None:
        """Seconds from a time of the record to the claim, by the server's clock."""
        if at is None or self.record.deadline is None:
            return None
        return max(0, self.record.deadline / 1000 - self.seconds_left - at / 1000)

    @property
    def seconds_to_deadline(self) -> float:
        """How long the run may still take; negative if its deadline has passed."""
        return self.seconds_left - (time.monotonic() - self._claimed_at)

    def take_recent_items(self) -> Sequence[tuple[int, str]]:
        """Take the thread's newest items, which are kept only once."""
        items, self._recent_items = self._recent_items, ()
        return items

    async def call_marks(self) -> CallMarks:
        """What is stored of the run's tool calls: which are open, begun, approved."""
        return await self._writer.call_marks()

    async def open_step_body(self) -> dict[str, Any]:
        """The step that is under way, as it is stored; a parked run has one."""
        return await self._writer.step_body(self.record.open_step)

    # ---- writing ---------------------------------------------------------------------------------

    def delta(self, message: int, text: str) -> None:
        """Write a piece of a message, soon."""
        self._stream.delta(message, text)

    def put(self, batch: Batch) -> None:
        """Write a batch, soon, behind all that was put before."""
        self._stream.put(batch)

    async def write(self, batch: Batch) -> None:
        """Write a batch, and wait until it and all before it are stored.

        Raises:
            LostRun: the run is no longer ours.
        """
        self.put(batch)
        await self.stored()

    async def stored(self) -> None:
        """Wait until nothing is left to write.

        Raises:
            LostRun: the run is no longer ours, or the store has lost what was written before.
        """
        await self._stream.settled()
        if self._stream.is_rewound:
            raise LostRun(self.record.id)

    async def store_produced(self, file: FileContent) -> None:
        """Store a file that the run has made, in round trips of its own.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for it.
        """
        if not await self._writer.store_produced(file):
            self._lose()

    async def note_upload(self, file_id: str, upload: Upload) -> None:
        """Note that a file of the thread was uploaded to the provider.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for the note.
        """
        if not await self._writer.note_upload(file_id, upload):
            self._lose()

    async def note_vector_store(self, vector_store: ThreadVectorStore) -> None:
        """Note which vector store the thread has at the provider.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for the note.
        """
        if not await self._writer.note_vector_store(vector_store):
            self._lose()

    async def note_left_out(self, notes: LeftOutNotes) -> None:
        """Note what models did not take of the thread.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for the note.
        """
        if not await self._writer.note_left_out(notes):
            self._lose()

    async def note_vector_store_begun(self, at: float) -> None:
        """Note that a vector store may be made now (seconds since 1970); 0: it is noted.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for the note.
        """
        if not await self._writer.note_vector_store_begun(at):
            self._lose()

    async def note_failures(self, message_id: str, failures: Mapping[str, FileFailure]) -> None:
        """Note which files of a message cannot be used, and why.

        Raises:
            LostRun: the run is no longer ours.
            StoreFull: Redis has no room for the note.
        """
        if not await self._writer.note_failures(message_id, failures):
            self._lose()

    async def ask_replica(self) -> bool:
        """Whether a replica has what is stored; also if there is none."""
        return await self._writer.wait_for_replica()

    async def wait_for_replica(self) -> None:
        """Wait until a replica has what is stored, however long that takes.

        Whoever is cut off with an old primary waits here, while others may continue the run.

        Raises:
            LostRun: the run is no longer ours, or the store has lost what was written before.
        """
        while not await self._writer.wait_for_replica(self._stream.serial):
            with contextlib.suppress(errors.StoreUnavailable):
                if await self._read_serial() < self._stream.serial:
                    self._stream.rewind()
                    await asyncio.sleep(0)  # whose work is interrupted learns it here
                    raise LostRun(self.record.id)
            await asyncio.sleep(_REPLICA_PAUSE)

    async def _read_serial(self) -> int:
        """Number of the last write that is stored."""
        serial = await self._writer.stored_serial()
        if serial is None:
            self._lose()
        return serial

    # ---- stopping --------------------------------------------------------------------------------

    def on_stop(self, interrupt: Callable[[], object]) -> None:
        """Name what interrupts the run's work; called at once if it is to stop already."""
        self._interrupt = interrupt
        if self.stop_reason is not None:
            interrupt()

    def stop(self, reason: Interruption) -> None:
        """Interrupt the run's work. The first reason stays, but for a run that is lost."""
        if self.stop_reason is None or reason is Interruption.LOST:
            first = self.stop_reason is None
            self.stop_reason = reason
            self._stream.is_lost = reason is Interruption.LOST
            if first:
                self._interrupt()
            self._stream.wake()

    @contextlib.contextmanager
    def waiting_for_worker(self, function: str) -> Iterator[None]:
        """Say that the run only waits for another worker, which it can do elsewhere as well.

        Args:
            function: the identity of what that worker must have.
        """
        self.awaited_function = function
        self._stop_useless_wait()
        try:
            yield
        finally:
            self.awaited_function = ""

    def begin_draining(self) -> None:
        """Let the run continue, but not wait for another worker: this one was told to end."""
        self._is_draining = True
        self._stop_useless_wait()

    def _stop_useless_wait(self) -> None:
        if self.awaited_function and self._is_draining:
            self.stop(Interruption.YIELD)

    def _lose(self) -> NoReturn:
        self.stop(Interruption.LOST)
        raise LostRun(self.record.id)

    # ---- letting go ------------------------------------------------------------------------------

    async def finish(self, status: Status, batch: Batch) -> Dispatch | None:
        """End the run with its last batch; returns the next run of the thread, to be sent.

        If the store has gone back to an earlier state the run does not end: it is released, and it
        is the one to be sent.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._stream.quiet()
        if self._stream.is_rewound:
            return await self.release()
        last = self._with_pending(batch)
        count, records, rest = last.encoded()
        self._writer.look_at_replicas()
        reply = await self._let_go(
            lambda serial: self._writer.finish(
                serial=serial, status=status, count=count, records=records, rest=rest
            )
        )
        if reply[0] == "rewound":
            return await self.release()
        self.ended_as = Status(reply[1])
        await self.ask_replica()
        return Dispatch(reply[2], reply[3]) if reply[2] else None

    async def park(self, batch: Batch, wait_ms: int) -> bool:
        """Let go of the run until somebody outside has answered.

        False: that is not to be, because it is being cancelled, or because the store has gone back
        to an earlier state; `release` knows what to do.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._stream.quiet()
        if self._stream.is_rewound:
            return False
        count, records, rest = self._with_pending(batch).encoded()
        reply = await self._let_go(
            lambda serial: self._writer.park(
                serial=serial, wait_ms=wait_ms, count=count, records=records, rest=rest
            )
        )
        return reply[0] in ("ok", "again")

    async def release(self) -> Dispatch | None:
        """Give the run back as it is; returns it, to be sent, or None if it is to be ended.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._stream.settled()
        reply = ["rewound"]
        while reply[0] == "rewound":
            if self._stream.is_rewound:
                self._stream.serial = await self._read_serial()
            reply = await self._let_go(lambda serial: self._writer.release(serial=serial))
        if reply[0] == "cancelling":
            if self._stream.is_rewound:  # our end of the run would not fit; the sweep forces it
                self._lose()
            return None
        return Dispatch(self.record.id, reply[1], begun=True, attempt=self.record.attempts + 1)

    def _with_pending(self, batch: Batch) -> Batch:
        """The batch, behind what has gathered before it."""
        pending = self._stream.take_pending()
        pending.extend(batch)
        return pending

    async def _let_go(self, write: Callable[[int], Awaitable[list[Any]]]) -> list[Any]:
        """Write with the next serial, while nothing else is written; returns the reply."""
        self._stream.is_paused = True  # an append now would carry the same serial
        try:
            reply = await write(self._stream.serial + 1)
        finally:
            self._stream.is_paused = False
        if reply[0] == "rewound":
            self._stream.rewind()
        elif reply[0] not in ("ok", "again", "cancelling"):
            self._lose()
        return reply
