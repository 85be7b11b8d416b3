"""This process's connections: one pipeline to the store, one sender, one subscription."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from threadmill.client.awaited import BridgeCall
from threadmill.client.bridge import Bridge
from threadmill.client.child_runs import Ancestry
from threadmill.client.driving import drive_briefly
from threadmill_shared import errors
from threadmill_shared.broker import child_runs
from threadmill_shared.broker.queues import Queues
from threadmill_shared.broker.sender import Sender
from threadmill_shared.events.follow import LogFollower
from threadmill_shared.events.notifications import Notifications
from threadmill_shared.records.changes import (
    CANCEL_MS,
    Dispatch,
    EnqueueCommand,
    Enqueued,
    ParkedCall,
    WaitsFor,
)
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.retirements.announcements import warn_of_retirement
from threadmill_shared.run_request import RunRequest, enqueue_command
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store

if TYPE_CHECKING:
    from threadmill_shared.events.decoder import Event
    from threadmill_shared.records.objects import Message, Step
    from threadmill_shared.store.parked_runs import CallOutcome
    from threadmill_shared.tools import Tool

logger = logging.getLogger("threadmill")

T = TypeVar("T")

NO_WORKER_SECONDS = 5.0
"""How long a caller waits before it warns that no worker is alive."""
_MOST_VIEWS = 50
"""Runs that are read at once, in the same round trips."""
_DISPATCHED = ("thread.run.queued", "threadmill.run.dispatched")
"""Events after which a worker may claim a run."""


@dataclass(frozen=True)
class RunView:
    """All that a handle shows of a run."""

    record: RunRecord
    messages: list[Message]
    steps: list[Step]
    parked: list[ParkedCall]
    """The calls that it waits for."""


@dataclass(frozen=True)
class NewRun:
    """A run that was just created: its handle shows what was written, which need not be read."""

    command: EnqueueCommand
    created_at: int
    """Milliseconds of the server's clock."""


class OwnWorker(Protocol):
    """A worker in this process, which executes the runs that the process enqueues."""

    @property
    def queue(self) -> str:
        """Name of its queue, without the namespace."""
        ...

    def add_functions(self, settings: Settings, tools: list[Tool]) -> None:
        """Offer it these functions for execution."""
        ...


class Client:
    """The connections of one process, on its bridge."""

    def __init__(self, settings: Settings, own_worker: OwnWorker | None = None) -> None:
        """Ready to work; it connects at the first command.

        Args:
            settings: with the store's URL.
            own_worker: executes all runs that this process enqueues; None: the fleet does.

        Raises:
            NotConfigured: there is no URL, or one of them has an unknown scheme.
        """
        self._sender = Sender(settings)  # first, since it may refuse: no thread is left then
        self.settings = settings
        self._own_worker = own_worker
        self._bridge = Bridge()
        self._functions: Bridge | None = None
        self._functions_lock = threading.Lock()
        self._background: set[asyncio.Task[None]] = set()
        drive_briefly(self._on_bridge(self._open()))

    @property
    def has_own_worker(self) -> bool:
        """Whether a worker of this process executes the runs that it enqueues."""
        return self._own_worker is not None

    async def _on_bridge(self, work: Coroutine[Any, Any, T]) -> T:
        result: T = await self.call(work)
        return result

    def call(self, work: Coroutine[Any, Any, T]) -> BridgeCall[T]:
        """Start work on the bridge; await the result inside an operation."""
        return self._bridge.call(work)

    def check_open(self) -> None:
        """Raise what a call would, if no call can be made.

        Raises:
            BridgeClosed: its connections are closed, or belong to another process.
        """
        self._bridge.check_open()

    def call_soon(self, act: Callable[[], object]) -> None:
        """Have the bridge do something, if it is open."""
        self._bridge.call_soon(act)

    async def _open(self) -> None:
        redis = connect(self.settings.store_url())
        self.store = Store(redis, self.settings.namespace)
        self._sender.push_with(self.store.broker_queues.push)
        self._bridge.do_first_at_the_end(self.store.broker_queues.drain)
        self._notifications = Notifications(self.store.subscription())
        self.log_follower = LogFollower(self.store, self._notifications)

    def functions_loop(self) -> asyncio.AbstractEventLoop:
        """An event loop for the caller's own functions: they may block it, which ours must not be.

        It is begun at the first use, in a thread of its own.
        """
        with self._functions_lock:
            if self._functions is None:
                self._functions = Bridge("threadmill-functions", is_patient=True)
            return self._functions.loop

    def close(self) -> None:
        """Send what is left, and close the connections."""
        if self._functions is not None:
            self._functions.close()
        self._bridge.close(self._shut)
        self._sender.close()  # when nobody gives it anything any more

    async def _shut(self) -> None:
        self._sender.push_with(None)
        await self._notifications.close()
        await self.store.close()

    # ---- work, on the bridge ---------------------------------------------------------------------

    async def enqueue(self, request: RunRequest, tools: list[Tool]) -> NewRun | RunView:
        """Store a run, and send it.

        Returns:
            What was created, or the run that the idempotency key belongs to.

        Raises:
            CallerError, TypeError: the request is invalid; nothing was written.
            StoreUnavailable, StoreFull: as their names say.
        """
        new = (await self.ancestry()).adopt(enqueue_command(request, self.settings))
        [new] = await self._prepare([new], tools)
        found = self._handed_over(new, await self.store.runs.enqueue(new, self._task(new)))
        return found if isinstance(found, NewRun) else await self.view(found.run_id)

    async def ancestry(self) -> Ancestry:
        """The runs whose tools wait for what is enqueued here."""
        return await Ancestry.read(self.store)

    async def enqueue_many(
        self, new: Sequence[EnqueueCommand], tools: list[Tool]
    ) -> list[NewRun | RunView | Exception]:
        """Store runs, and send them.

        Returns:
            For each, in order, what `enqueue` returns, or raises when it writes.
        """
        prepared = await self._prepare(new, tools)
        outcomes: list[NewRun | Enqueued | Exception] = []
        async for found in self.store.runs.enqueue_many(prepared, self._task):
            one = prepared[len(outcomes)]
            outcomes.append(found if isinstance(found, Exception) else self._try(one, found))
        return await self._with_views(outcomes)

    async def _with_views(
        self, outcomes: Sequence[NewRun | Enqueued | Exception]
    ) -> list[NewRun | RunView | Exception]:
        """Read the runs that are known by their idempotency keys, many at a time."""
        known = [one.run_id for one in outcomes if isinstance(one, Enqueued)]
        views: list[RunView | Exception] = []
        for at in range(0, len(known), _MOST_VIEWS):
            views += await asyncio.gather(*map(self._try_view, known[at : at + _MOST_VIEWS]))
        found = iter(views)
        return [next(found) if isinstance(one, Enqueued) else one for one in outcomes]

    async def _try_view(self, run_id: str) -> RunView | Exception:
        try:
            return await self.view(run_id)
        except Exception as error:  # noqa: BLE001  the others are stored, and are to be told
            return error

    async def _prepare(
        self, new: Sequence[EnqueueCommand], tools: list[Tool]
    ) -> Sequence[EnqueueCommand]:
        """The runs as this process enqueues them; a worker of its own gets their tools."""
        for model in {one.request.model for one in new}:
            warn_of_retirement(model)
        if self._own_worker is None:
            return new
        await asyncio.to_thread(self._own_worker.add_functions, self.settings, tools)
        queue = Queues(self.settings.namespace).embedded(self._own_worker.queue)
        return [replace(one, queue=queue) for one in new]

    def _try(self, new: EnqueueCommand, enqueued: Enqueued) -> NewRun | Enqueued | Exception:
        try:
            return self._handed_over(new, enqueued)
        except Exception as error:  # noqa: BLE001  the others are stored, and are to be told
            return error

    def _task(self, new: EnqueueCommand) -> bytes:
        # A tool's run may be executed in this process, without a message.
        is_child = child_runs.parent_here() is not None
        return b"" if is_child else self._sender.task_of(new.run_id, new.queue)

    def _handed_over(self, new: EnqueueCommand, enqueued: Enqueued) -> NewRun | Enqueued:
        """Send what is to be sent; returns what was created, or whose idempotency key it is."""
        is_own = enqueued.send is not None and enqueued.send.run_id == enqueued.run_id
        if not (is_own and child_runs.execute_here(enqueued.send)):
            self._sender.send(enqueued.send)
        return NewRun(new, enqueued.created_at) if enqueued.created else enqueued

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

    async def _force_end_later(self, run_id: str) -> None:
        await asyncio.sleep(CANCEL_MS / 1000)
        ended = await self.store.runs.force_end(run_id, grace_ms=CANCEL_MS)
        if ended is not None:
            self._sender.send(ended.send)

    async def submit(
        self,
        run_id: str,
        call_id: str,
        answer: CallOutcome,
        *,
        waits_for: WaitsFor = "output",
        lessee: str = "",
    ) -> None:
        """Submit the output of a parked run's call, and send the run if it continues.

        Raises:
            RunNotFound, NotWaiting, CallTaken, OutputMismatch: as their names say.
        """
        submit = self.store.parked_runs.submit
        send = await submit(run_id, call_id, answer, waits_for=waits_for, lessee=lessee)
        await self.store.wait_for_replica(run_id)
        self._sender.send(send)

    async def submit_all(self, run_id: str, outputs: Sequence[tuple[str, str]]) -> None:
        """Submit outputs of several calls, all or none, and send the run if it continues.

        Raises:
            RunNotFound, NotWaiting, CallTaken, OutputMismatch: as their names say.
        """
        submitted = await self.store.parked_runs.submit_all(run_id, outputs, whole=False)
        await self.store.wait_for_replica(run_id)
        self._sender.send(submitted.send)

    async def approve(self, run_id: str, call_id: str) -> None:
        """Approve a parked run's call, and send the run if it continues.

        Raises:
            RunNotFound, NotWaiting: as their names say.
        """
        send = await self.store.parked_runs.approve(run_id, call_id)
        await self.store.wait_for_replica(run_id)
        self._sender.send(send)

    async def view(self, run_id: str) -> RunView:
        """A run's record, messages and steps.

        Raises:
            RunNotFound: there is no such run.
        """
        record = await self.store.runs.record(run_id)
        if record is None:
            raise errors.RunNotFound(f"There is no run {run_id}, or its record has expired.")
        messages, steps = await asyncio.gather(
            self.store.threads.messages_of_run(record), self.store.runs.steps(run_id)
        )
        is_parked = record.status is Status.REQUIRES_ACTION
        parked = await self.store.parked_runs.calls(run_id) if is_parked else []
        return RunView(record, messages, steps, parked)

    async def wait_for_end(self, run_id: str, on_parked: Callable[[], None] = lambda: None) -> None:
        """Wait until a run has ended; `on_parked` is called whenever it is found parked.

        Raises:
            RunNotFound, RunLost: as their names say.
        """

        def on_change(record: RunRecord) -> None:
            if record.status is Status.REQUIRES_ACTION:
                on_parked()
            elif record.status is Status.QUEUED:
                _execute_child(record)

        watch = self._watch_workers(run_id)
        try:
            await self.log_follower.ended(run_id, on_change)
        finally:
            watch.cancel()

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        """A run's events, in groups as they arrive.

        Raises:
            RunNotFound, RunLost, LogRewound, EventsExpired: as their names say.
        """
        watch = self._watch_workers(run_id)
        try:
            async for events in self.log_follower.follow(run_id, after):
                if child_runs.parent_here() and any(event.event in _DISPATCHED for event in events):
                    record = await self.store.runs.record(run_id)
                    if record is not None and record.status is Status.QUEUED:
                        _execute_child(record)
                yield events
        finally:
            watch.cancel()

    def _watch_workers(self, run_id: str) -> asyncio.Task[None]:
        return self._in_background(self._warn_without_worker(run_id))

    async def _warn_without_worker(self, run_id: str) -> None:
        await asyncio.sleep(NO_WORKER_SECONDS)
        try:
            record = await self.store.runs.record(run_id)
            if record is None or record.status is not Status.QUEUED:
                return
            workers = await self.store.workers.alive()
        except errors.StoreUnavailable:  # whoever waits for the run says so already
            return
        if not workers:
            logger.warning(
                "%s is waiting, but no worker is running in namespace %r. Start one: "
                "threadmill worker MODULE",
                run_id,
                self.settings.namespace,
            )
        elif not any(record.queue in worker.queues for worker in workers):
            name = record.queue.removeprefix(self.settings.namespace).removeprefix(".")
            logger.warning(
                "%s is waiting, but no worker takes runs from queue %s. Start one that does: "
                "threadmill worker %sMODULE",
                run_id,
                record.queue,
                f"--queue {name} " if name else "",
            )

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # The loop keeps no reference: without this one the task could be collected while it waits.
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._done_in_background)
        return task

    def _done_in_background(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("work of this process failed: %s", type(error).__name__)


def _execute_child(record: RunRecord) -> None:
    """Execute a run here that a tool waits for: its parent may have the last slot."""
    if record.parent is not None and record.parent == child_runs.parent_here():
        child_runs.execute_here(Dispatch(record.id, record.queue, begun=True))
