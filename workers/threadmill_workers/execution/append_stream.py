"""The stream of a holder's writes: one call at a time, and what comes meanwhile gathers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from threadmill_shared.log_text import about
from threadmill_shared.store.batch import Batch
from threadmill_shared.store.connections import is_full, is_passing, is_unknown_script
from threadmill_shared.store.run_writer import RunWriter
from threadmill_workers.execution.interruption import Interruption, LostRun

logger = logging.getLogger("threadmill.worker")

Command = tuple[Any, ...]
"""As the store's pipeline sends it."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
"""Seconds before an append without an answer is sent again."""


class AppendStream:
    """Appends to one run's log; each call has a serial number, and is repeated until answered."""

    def __init__(self, writer: RunWriter, stop: Callable[[Interruption], None]) -> None:
        """Nothing is written yet.

        Args:
            writer: what writes.
            stop: called with the reason if an answer tells that the run's work is to stop.
        """
        self.serial = 0
        """Of the last write."""
        self.is_lost = False
        """Whether the run is no longer ours; then nothing more is written."""
        self.is_rewound = False
        """Whether the store has gone back to an earlier state; then nothing more is written."""
        self.finds_no_room = False
        """Whether the store is full and takes nothing in; what is read on would pile up here."""
        self.refusal = ""
        """The class of the error with which the store has refused a write for good."""
        self.is_paused = False
        """Whether what is put waits, because another write is about to carry the next serial."""
        self._writer = writer
        self._appends = writer.appends
        self._stop = stop
        self._pending = Batch()
        self._in_flight: Command | None = None
        self._sent = Batch()
        """What is in flight."""
        self._retry: asyncio.TimerHandle | None = None
        """Set while a refused write waits to be sent again; then nothing of it is under way."""
        self._answered: asyncio.Future[None] | None = None
        """Done with the next answer, if somebody waits for it."""
        self._pause = _FIRST_PAUSE

    # ---- writing ---------------------------------------------------------------------------------

    def delta(self, message: int, text: str) -> None:
        """Write a piece of a message, soon."""
        self._pending.delta(message, text)
        if self._in_flight is None:
            self._writer.put(self)

    def put(self, batch: Batch) -> None:
        """Write a batch, soon, behind all that was put before."""
        self._pending.extend(batch)
        if self._in_flight is None:
            self._writer.put(self)

    def take_pending(self) -> Batch:
        """Take what is not sent yet, so that another write carries it along."""
        pending, self._pending = self._pending, Batch()
        return pending

    async def settled(self) -> None:
        """Wait until nothing is left to write, or the store has gone back.

        Raises:
            LostRun: the run is no longer ours.
        """
        while self._in_flight is not None or self._pending:
            self._refuse_when_lost()
            if self.is_rewound:
                return
            await self._answer()
        self._refuse_when_lost()

    async def quiet(self) -> None:
        """Wait until nothing is under way; a write that a full store refuses is taken back.

        Raises:
            LostRun: the run is no longer ours.
        """
        while self._in_flight is not None:
            self._refuse_when_lost()
            if self.finds_no_room and self._retry is not None:
                self._take_back(self._retry)
            else:
                await self._answer()
        self._refuse_when_lost()

    def wake(self) -> None:
        """Have those that wait for an answer look at what there is."""
        answered, self._answered = self._answered, None
        if answered is not None:
            answered.set_result(None)

    def rewind(self) -> None:
        """The store has gone back to an earlier state: what we know of the run is not true there.

        Nothing more is written. The run is released, and continues from what is stored.
        """
        run_id = self._writer.run_id
        logger.warning(
            "%s continues from an earlier state: Redis has lost writes",
            run_id,
            extra=about(run=run_id),
        )
        self.is_rewound = True
        self._stop(Interruption.YIELD)

    # ---- as the pipeline sees it -----------------------------------------------------------------

    def command(self) -> Command | None:
        """The append to send: the one that has no answer yet, else what has gathered meanwhile."""
        may_write = not (self.is_lost or self.is_paused or self.is_rewound)
        if self._in_flight is None and self._pending and may_write:
            self._sent = self.take_pending()
            self._in_flight = self._append(self._sent)
        return self._in_flight

    def settle(self, reply: Any) -> None:
        """Take the answer to the append that was under way; without one, it is sent again."""
        if isinstance(reply, Exception):
            if self._repeat_after(reply):
                self.wake()
                return
            self.refusal = type(reply).__name__
            logger.error(
                "Redis refused a write for %s, which fails: %s",
                self._writer.run_id,
                self.refusal,
                extra=about(run=self._writer.run_id),
            )
            reply = ["refused"]
        self._in_flight = None
        self._pause = _FIRST_PAUSE
        self.finds_no_room = False
        self._obey(reply)
        if self._pending:
            self._writer.put(self)
        self.wake()

    def _append(self, batch: Batch) -> Command:
        count, records, rest = batch.encoded()
        self.serial += 1
        return self._appends.append(serial=self.serial, count=count, records=records, rest=rest)

    def _obey(self, reply: Any) -> None:
        if reply[0] == "rewound":
            self.rewind()
        elif reply[0] not in ("ok", "again"):
            self._stop(Interruption.LOST)
        elif reply[2]:
            self._stop(Interruption.CANCEL)

    def _repeat_after(self, error: Exception) -> bool:
        """Send the append again, at once or after a pause, if it may succeed then."""
        if is_unknown_script(error) and self._in_flight is not None:
            self._in_flight = self._appends.in_full(self._in_flight)
            self._writer.put(self)
            return True
        if is_passing(error) or is_full(error):
            self.finds_no_room = is_full(error)
            if self.finds_no_room:
                self._writer.report_full_store()
            self._retry = asyncio.get_running_loop().call_later(self._pause, self._send_again)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            return True
        return False

    def _send_again(self) -> None:
        self._retry = None
        self._writer.put(self)

    def _take_back(self, retry: asyncio.TimerHandle) -> None:
        """Take back a write that a full store has refused: what ends the run carries it along.

        It was not applied, since one that was would have been answered; and it is not under way.
        """
        retry.cancel()
        self._sent.extend(self._pending)
        self._pending, self._in_flight, self._retry = self._sent, None, None
        self.serial -= 1
        self.finds_no_room = False

    async def _answer(self) -> None:
        if self._answered is None:
            self._answered = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._answered)

    def _refuse_when_lost(self) -> None:
        if self.is_lost:
            raise LostRun(self._writer.run_id)
