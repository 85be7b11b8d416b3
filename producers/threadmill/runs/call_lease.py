"""A call of a parked run, leased by the process that executes it. All of it happens on the bridge.

A function may block its own loop for longer than a lease lasts, so nothing here waits for one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from threadmill_shared import errors
from threadmill_shared.servers.trouble import Trouble
from threadmill_shared.store.parked_runs import LEASE_SECONDS, CallOutcome

if TYPE_CHECKING:
    from threadmill.client.client import Client

logger = logging.getLogger("threadmill")

T = TypeVar("T")

OURS = ("ok", "kept")
"""`acquire`'s answers if the call is this process's; `kept` also if the first answer was lost."""
RENEW_SECONDS = LEASE_SECONDS / 3
"""Between two renewals of a lease."""
RETRY_SECONDS = 1.0
"""Seconds before Redis is asked again after it did not answer."""


class CallLease:
    """One attempt to have a call for this process alone."""

    def __init__(self, client: Client, run_id: str, call_id: str, *, may_repeat: bool) -> None:
        """Nothing is leased before `acquire`.

        Args:
            client: how the store is reached.
            run_id: the parked run.
            call_id: its call.
            may_repeat: whether the call may be executed once more, after a process that was lost.
        """
        self._client = client
        self._run_id = run_id
        self._call_id = call_id
        self._may_repeat = may_repeat
        self._lessee = secrets.token_hex(8)

    async def acquire(self, suspect: str = "") -> tuple[str, str]:
        """Lease the call, or renew the lease; see `ParkedRuns.lease_call` for what it returns."""
        lease = partial(
            self._client.store.parked_runs.lease_call,
            self._run_id,
            self._call_id,
            self._lessee,
            may_repeat=self._may_repeat,
            suspect=suspect,
        )
        outcome, who = await until_answered(lease)
        # What a failover may lose would be executed by another process, too.
        while outcome in OURS and not await self._wait_for_replica():
            await asyncio.sleep(RETRY_SECONDS)
            outcome, who = await until_answered(lease)  # meanwhile the lease may have lapsed
        return outcome, who

    async def renew_until_lost(self) -> None:
        """Keep others from the call; returns when it is no longer this process's."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            outcome, _ = await self.acquire()
            if outcome not in OURS:
                return

    async def submit(self, outcome: CallOutcome, *, is_lapsed: bool = False) -> bool:
        """Submit the outcome of the call.

        Args:
            outcome: what is stored.
            is_lapsed: whether the process that had leased the call was lost, and this one
                submits in its place.

        Returns:
            Whether the call has ended. It has not if another process has leased it after all.
        """
        submit = partial(
            self._client.submit,
            self._run_id,
            self._call_id,
            outcome,
            lessee="" if is_lapsed else self._lessee,
        )
        try:
            await until_answered(submit)
            while not await self._wait_for_replica():
                await asyncio.sleep(RETRY_SECONDS)
                await until_answered(submit)  # no other process has what a failover has lost
        except errors.CallTaken:
            return False
        except errors.CallerError as error:
            logger.info("the output of %s was refused: %s", self._call_id, type(error).__name__)
        return True

    async def _wait_for_replica(self) -> bool:
        return await until_answered(partial(self._client.store.wait_for_replica, self._run_id))


async def until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Retry until Redis answers: an outage must not lose a function's output."""
    trouble = Trouble()
    while True:
        try:
            answer = await ask()
        except errors.InfrastructureError as error:
            if trouble.note_failure():
                what = "is full" if isinstance(error, errors.StoreFull) else "does not answer"
                logger.warning("Redis %s; the output of a call waits", what)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            if (seconds := trouble.note_success()) is not None:
                logger.warning("the output of a call has waited %.0f s for Redis", seconds)
            return answer
