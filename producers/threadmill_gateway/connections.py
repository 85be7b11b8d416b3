"""What a gateway works with, on the event loop of its server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from threadmill_shared import errors
from threadmill_shared.broker.sender import Sender
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import CANCEL_MS, EnqueueCommand, Enqueued
from threadmill_shared.records.run import Status
from threadmill_shared.retirements.announcements import warn_of_retirement
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.parked_runs import rejection
from threadmill_shared.store.store import Store

logger = logging.getLogger("threadmill.gateway")


class Connections:
    """The store, the sender of tasks, and the follower of logs."""

    def __init__(self, settings: Settings) -> None:
        """Made on the event loop; it connects at the first command.

        Raises:
            NotConfigured: there is no URL, or one of them has an unknown scheme.
        """
        self.settings = settings
        self._sender = Sender(settings)
        self.store = Store(connect(settings.store_url()), settings.namespace)
        self._sender.push_with(self.store.broker_queues.push)
        self._notifications = Notifications(self.store.subscription())
        self.log_follower = LogFollower(self.store, self._notifications)
        self._background: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Send what is left, and close the connections."""
        await self.store.broker_queues.drain()
        for task in self._background:
            task.cancel()
        self._sender.push_with(None)
        await self._notifications.close()
        await self.store.close()
        await asyncio.to_thread(self._sender.close)

    async def enqueue(self, new: EnqueueCommand) -> Enqueued:
        """Store a run, and send it.

        Raises:
            CallerError: it is refused; nothing was written.
            StoreUnavailable, StoreFull: as their names say.
        """
        warn_of_retirement(new.request.model)
        task = self._sender.task_of(new.run_id, new.queue)
        enqueued = await self.store.runs.enqueue(new, task)
        self._sender.send(enqueued.send)
        return enqueued

    async def cancel(self, run_id: str) -> Status:
        """Record that a run is to be cancelled; returns its status then.

        Raises:
            RunNotFound: there is no such run.
        """
        ended = await self.store.runs.cancel(run_id)
        self._sender.send(ended.send)
        if ended.status is Status.CANCELLING:
            self._in_background(self._force_end_later(run_id))
        return ended.status

    async def submit_all(self, run_id: str, outputs: Sequence[tuple[str, str]]) -> bool:
        """Submit the outputs of all calls that wait, and send the run if it continues.

        Returns:
            Whether they had none; else these are the ones that they had already.

        Raises:
            RunNotFound, WrongOutputs, NotWaiting, CallTaken, OutputMismatch: as their names say.
        """
        submitted = await self.store.parked_runs.submit_all(run_id, outputs, whole=True)
        await self.store.wait_for_replica(run_id)
        self._sender.send(submitted.send)
        return submitted.is_first

    def note_delivery(self, mark: str, id: str, made: str) -> None:
        """Remember an object for seconds only that a request has created: its answer was sent."""
        self._in_background(self._forget(self.store.client_requests.note_delivery(mark, id, made)))

    def note_use(self, mark: str, id: str) -> None:
        """Give an object to no repeat of a request any more: somebody uses it."""
        self._in_background(self._forget(self.store.client_requests.forget(mark, id)))

    async def _forget(self, change: Coroutine[Any, Any, None]) -> None:
        # If Redis is away, the mark expires some minutes later.
        with suppress(errors.InfrastructureError):
            await change

    async def approve(self, run_id: str, call_id: str) -> None:
        """Approve a call, and send the run if it continues.

        Raises:
            RunNotFound, NotWaiting: as their names say.
        """
        send = await self.store.parked_runs.approve(run_id, call_id)
        await self.store.wait_for_replica(run_id)
        self._sender.send(send)

    async def reject(self, run_id: str, call_id: str, reason: str | None) -> None:
        """Reject a call, and send the run if it continues.

        Raises:
            RunNotFound, NotWaiting, CallTaken, OutputMismatch: as their names say.
        """
        answer = rejection(reason)
        send = await self.store.parked_runs.submit(run_id, call_id, answer, waits_for="approval")
        await self.store.wait_for_replica(run_id)
        self._sender.send(send)

    async def _force_end_later(self, run_id: str) -> None:
        await asyncio.sleep(CANCEL_MS / 1000)
        ended = await self.store.runs.force_end(run_id, grace_ms=CANCEL_MS)
        if ended is not None:
            self._sender.send(ended.send)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done_in_background)

    def _done_in_background(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("work of this gateway failed: %s", type(error).__name__)
