"""A run that this worker holds: the fenced writes, and the ways to let go.

Each write carries the attempt's token and a serial number. A token that is no longer the record's
means that somebody else has the run: the holder stops, and changes nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, NoReturn

from pydantic_core import from_json
from redis import exceptions as redis_errors

from threadmill_shared import errors
from threadmill_shared.records.changes import Dispatch
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.store.connections import is_full, is_passing
from threadmill_shared.store.replicas import ReplicaCheck
from threadmill_shared.store.scripts.held_runs import AppendScript, HeldRunScripts
from threadmill_shared.store.scripts.loader import Command, ScriptCall
from threadmill_shared.store.store import Store
from threadmill_workers.execution.batch import Batch
from threadmill_workers.execution.turn import CallMarks, stored_usage

logger = logging.getLogger("threadmill.worker")

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
"""Seconds before an append without an answer is sent again."""
_CONFIRM_PAUSE = 0.1
"""Seconds before a replica is asked again."""


class LostRun(Exception):
    """The run is no longer ours; whoever writes for it stops."""


class Interruption(Enum):
    """Why a held run is to stop before its end."""

    CANCEL = auto()
    """Somebody cancelled it: end it as cancelled."""
    LOST = auto()
    """It belongs to somebody else, or has ended: drop it."""
    YIELD = auto()
    """This worker shuts down, or the store has gone back to an earlier state: give it back."""


class HeldRun:
    """One attempt's right to write for a run."""

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        token: str,
        seconds_left: float,
        position: int,
    ) -> None:
        self.record = record
        self.seconds_left = seconds_left
        """Until the deadline, at the time of the claim."""
        self.position = position
        """Of the thread's last item, at the time of the claim."""
        self.tokens = stored_usage(record.usage).total_tokens
        """What the run's model requests have cost so far."""
        self.ended_as: Status | None = None
        """How the run has ended, once `finish` has ended it."""
        self.stop_reason: Interruption | None = None
        self.is_calling_tools = False
        """Whether functions are being called, which cannot be repeated as a stream can."""
        self.finds_no_room = False
        """Whether the store is full and takes nothing in; what is read on would pile up here."""
        self.refusal = ""
        """The class of the error with which the store has refused a write for good."""
        self._store = store
        self._claimed_at = time.monotonic()
        self.token = token
        """Proves this attempt to the scripts."""
        self._serial = 0
        self._scripts = HeldRunScripts(store.session.keys)
        self._script = AppendScript(store.session.keys, run_id=record.id, token=token)
        self._pending = Batch()
        self._in_flight: Command | None = None
        self._sent = Batch()
        """What is in flight."""
        self._retry: asyncio.TimerHandle | None = None
        """Set while a refused write waits to be sent again; then nothing of it is under way."""
        self._letting_go = False
        self._is_rewound = False
        self._stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pause = _FIRST_PAUSE
        self._interrupt: Callable[[], object] = lambda: None

    @property
    def seconds(self) -> float:
        """Since the run's first claim, whoever has executed it meanwhile."""
        record, since_claim = self.record, time.monotonic() - self._claimed_at
        if record.started_at is None or record.deadline is None:
            return since_claim
        claimed_at = record.deadline / 1000 - self.seconds_left  # by the server's clock
        return max(0, claimed_at - record.started_at / 1000) + since_claim

    async def call_marks(self) -> CallMarks:
        """What is stored of the run's tool calls: which are open, begun, approved."""
        return CallMarks(
            await self._store.session.runner.command(
                "HGETALL", self._store.session.keys.calls(self.record.id)
            )
        )

    async def open_step_body(self) -> dict[str, Any]:
        """The step that is under way, as it is stored; a parked run has one."""
        key = self._store.session.keys.steps(self.record.id)
        body: dict[str, Any] = from_json(
            await self._store.session.runner.command("HGET", key, self.record.open_step)
        )
        return body

    # ---- writing ---------------------------------------------------------------------------------

    def delta(self, message: int, text: str) -> None:
        """Write a piece of a message, soon."""
        self._pending.delta(message, text)
        if self._in_flight is None:
            self._store.session.pipeline.put(self)

    def put(self, batch: Batch) -> None:
        """Write a batch, soon, behind all that was put before."""
        self._pending.extend(batch)
        if self._in_flight is None:
            self._store.session.pipeline.put(self)

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
        await self._settled()
        if self._is_rewound:
            raise LostRun(self.record.id)

    async def _settled(self) -> None:
        while self._in_flight is not None or self._pending:
            self._refuse_when_lost()
            if self._is_rewound:
                return
            await asyncio.shield(self._stored)
        self._refuse_when_lost()

    async def keep(self, kind: str, field: str, value: str) -> None:
        """Keep something beside the run, as `store_field.lua` says, in a round trip of its own.

        Raises:
            LostRun: the run is no longer ours.
        """
        call = self._scripts.store_field(
            run_id=self.record.id, token=self.token, kind=kind, field=field, value=value
        )
        reply = await self._store.session.runner.run_apart(call)
        if reply[0] != "ok":
            self._lose()

    async def ask_replica(self) -> bool:
        """Whether a replica has what is stored; also where there is none."""
        return await self._store.session.wait_for_replica(self.record.id)

    async def wait_for_replica(self) -> None:
        """Wait until a replica has what is stored, however long that takes.

        Whoever is cut off with an old primary waits here, while others may go on with the run.

        Raises:
            LostRun: the run is no longer ours, or the store has lost what was written before.
        """
        key = self._store.session.keys.run(self.record.id)
        command = ("HMGET", key, "token", "serial")
        witness = ReplicaCheck(command, [self.token, str(self._serial)])
        while not await self._store.session.wait_for_replica(self.record.id, witness):
            with contextlib.suppress(errors.StoreUnavailable):
                token, serial = await self._store.session.runner.command(*command)
                if token != self.token:
                    self._lose()
                if int(serial) < self._serial:
                    self._rewind()
                    await asyncio.sleep(0)  # whose work is interrupted learns it here
                    raise LostRun(self.record.id)
            await asyncio.sleep(_CONFIRM_PAUSE)

    def command(self) -> Command | None:
        """The append to send: the one that has no answer yet, else what has gathered meanwhile."""
        may_write = not (
            self.stop_reason is Interruption.LOST or self._letting_go or self._is_rewound
        )
        if self._in_flight is None and self._pending and may_write:
            self._sent = self._take_pending()
            self._in_flight = self._append(self._sent)
        return self._in_flight

    def _append(self, batch: Batch) -> Command:
        count, records, rest = batch.encoded()
        self._serial += 1
        return self._script.append(serial=self._serial, count=count, records=records, rest=rest)

    def settle(self, reply: Any) -> None:
        """Take the answer to the append that was under way; without one, it is sent again."""
        if isinstance(reply, Exception):
            if self._is_repeatable(reply):
                self._wake()
                return
            self.refusal = type(reply).__name__
            logger.error("a write for %s was refused: %s", self.record.id, self.refusal)
            reply = ["refused"]
        self._in_flight = None
        self._pause = _FIRST_PAUSE
        self.finds_no_room = False
        if reply[0] == "rewound":
            self._rewind()
        elif reply[0] not in ("ok", "again"):
            self.stop(Interruption.LOST)
        elif reply[2]:
            self.stop(Interruption.CANCEL)
        if self._pending:
            self._store.session.pipeline.put(self)
        self._wake()

    def _wake(self) -> None:
        """Have those that wait for an answer look at what there is."""
        stored, self._stored = self._stored, asyncio.get_running_loop().create_future()
        stored.set_result(None)

    def _is_repeatable(self, error: Exception) -> bool:
        if isinstance(error, redis_errors.NoScriptError) and self._in_flight is not None:
            self._in_flight = self._script.in_full(self._in_flight)
            self._store.session.pipeline.put(self)
            return True
        if is_passing(error) or is_full(error):
            self.finds_no_room = is_full(error)
            if self.finds_no_room:
                self._store.session.memory_guard.warn()
            self._retry = asyncio.get_running_loop().call_later(self._pause, self._send_again)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return True
        return False

    def _send_again(self) -> None:
        self._retry = None
        self._store.session.pipeline.put(self)

    def _take_back(self, retry: asyncio.TimerHandle) -> None:
        """Take back a write that a full store has refused: what ends the run carries it along.

        It was not applied, since one that was would have been answered; and it is not under way.
        """
        retry.cancel()
        self._sent.extend(self._pending)
        self._pending, self._in_flight, self._retry = self._sent, None, None
        self._serial -= 1
        self.finds_no_room = False

    def _take_pending(self) -> Batch:
        pending, self._pending = self._pending, Batch()
        return pending

    def _rewind(self) -> None:
        """The store has gone back to an earlier state: what we know of the run is not true there.

        Nothing more is written. The run is given back, and goes on from what is stored.
        """
        logger.warning("%s goes on from an earlier state: Redis has lost writes", self.record.id)
        self._is_rewound = True
        self.stop(Interruption.YIELD)

    def _refuse_when_lost(self) -> None:
        if self.stop_reason is Interruption.LOST:
            raise LostRun(self.record.id)

    # ---- stopping --------------------------------------------------------------------------------

    def on_stop(self, interrupt: Callable[[], object]) -> None:
        """Name what interrupts the run's work; called at once where it is to stop already."""
        self._interrupt = interrupt
        if self.stop_reason is not None:
            interrupt()

    def stop(self, reason: Interruption) -> None:
        """Interrupt the run's work. The first reason stays, but for a run that is lost."""
        if self.stop_reason is None or reason is Interruption.LOST:
            first = self.stop_reason is None
            self.stop_reason = reason
            if first:
                self._interrupt()
            self._wake()

    # ---- letting go ------------------------------------------------------------------------------

    async def finish(
        self, status: Status, batch: Batch, *, fields: Mapping[str, str | int] | None = None
    ) -> Dispatch | None:
        """End the run with its last batch; returns the next run of the thread, to be sent.

        Where the store has gone back to an earlier state the run does not end: it is given back,
        and it is the one to be sent.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._quiet()
        if self._is_rewound:
            return await self.give_back()
        pending = self._take_pending()
        pending.extend(batch)
        pending.set(**(fields or {}))
        count, records, rest = pending.encoded()
        call = self._scripts.finish(
            run_id=self.record.id,
            token=self.token,
            serial=self._serial + 1,
            status=status,
            count=count,
            records=records,
            rest=rest or [0] * 5,
        )
        reply = await self._let_go(call)
        if reply[0] == "rewound":
            return await self.give_back()
        self.ended_as = Status(reply[1])
        await self.ask_replica()
        return Dispatch(reply[2], reply[3]) if reply[2] else None

    async def park(self, batch: Batch, wait_ms: int) -> bool:
        """Let go of the run until somebody outside has answered.

        False: that is not to be, because it is being cancelled, or because the store has gone back
        to an earlier state; `give_back` knows what to do.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._quiet()
        if self._is_rewound:
            return False
        pending = self._take_pending()
        pending.extend(batch)
        count, records, rest = pending.encoded()
        call = self._scripts.park(
            run_id=self.record.id,
            token=self.token,
            serial=self._serial + 1,
            wait_ms=wait_ms,
            count=count,
            records=records,
            rest=rest,
        )
        reply = await self._let_go(call)
        return reply[0] in ("ok", "again")

    async def give_back(self) -> Dispatch | None:
        """Give the run back as it stands; returns it, to be sent, or None where it is to be ended.

        Raises:
            LostRun: the run is no longer ours.
        """
        await self._settled()
        reply = ["rewound"]
        while reply[0] == "rewound":
            if self._is_rewound:
                await self._take_stored_serial()
            call = self._scripts.release(
                run_id=self.record.id, token=self.token, serial=self._serial + 1
            )
            reply = await self._let_go(call)
        if reply[0] == "cancelling":
            if self._is_rewound:  # our end of the run would not fit; the sweep ends it by force
                self._lose()
            return None
        return Dispatch(self.record.id, reply[1], begun=True, attempt=self.record.attempts + 1)

    async def _take_stored_serial(self) -> None:
        key = self._store.session.keys.run(self.record.id)
        token, serial = await self._store.session.runner.command("HMGET", key, "token", "serial")
        if token != self.token:
            self._lose()
        self._serial = int(serial)

    def _lose(self) -> NoReturn:
        self.stop(Interruption.LOST)
        raise LostRun(self.record.id)

    async def _quiet(self) -> None:
        while self._in_flight is not None:
            self._refuse_when_lost()
            if self.finds_no_room and self._retry is not None:
                self._take_back(self._retry)
            else:
                await asyncio.shield(self._stored)
        self._refuse_when_lost()

    async def _let_go(self, call: ScriptCall) -> list[Any]:
        self._letting_go = True  # an append now would carry the same serial
        try:
            reply = await self._store.session.runner.run(call)
        finally:
            self._letting_go = False
        if reply[0] == "rewound":
            self._rewind()
        elif reply[0] not in ("ok", "again", "cancelling"):
            self._lose()
        return reply
