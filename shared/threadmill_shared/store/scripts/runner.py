"""Runs scripts and commands, and repeats them while their answers may have been lost."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared import errors
from threadmill_shared.records.run import field_map
from threadmill_shared.servers.failures import Failure, find_failure
from threadmill_shared.servers.tls import explain
from threadmill_shared.store.connections import PASSING, REPEATABLE, is_full, is_passing
from threadmill_shared.store.pinned_connection import PinnedConnection
from threadmill_shared.store.pipeline import Pipeline
from threadmill_shared.store.scripts.loader import ScriptCall

_CUT = ("reset by peer", "closed by server")
"""What a server that speaks TLS does to a client that does not."""


class ScriptRunner:
    """Runs scripts, and repeats the identical call when its answer may have been lost.

    Every script may be sent twice, so a repeat is always safe; redis-py's own retries are off.
    """

    def __init__(self, pipeline: Pipeline, *, patience: float) -> None:
        """A runner that repeats a call for `patience` seconds before `StoreUnavailable`."""
        self._pipeline = pipeline
        self._kept = PinnedConnection(pipeline.client)
        self.patience = patience

    async def run(self, call: ScriptCall) -> list[Any]:
        """Run one script and return its reply, the outcome first.

        Raises:
            StoreUnavailable: no answer within the runner's patience; it may have been applied.
            StoreFull: the server is out of memory; nothing was applied.
        """
        reply: list[Any] = await self._repeat(lambda: self._send(call))
        return reply

    async def run_apart(self, call: ScriptCall) -> list[Any]:
        """Run one script as `run` does, in a round trip of its own: nobody waits for a large one.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
            StoreFull: Redis has no room.
        """
        try:
            [reply] = await self.commands([call.command])
        except redis_errors.NoScriptError:
            [reply] = await self.commands([call.in_full()])
        answer: list[Any] = reply
        return answer

    async def run_each_apart(self, calls: Sequence[ScriptCall]) -> list[list[Any]]:
        """Run scripts that are safe to repeat, in a round trip of their own; returns their replies.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
            StoreFull: the server is out of memory; some of them may have been applied.
        """
        try:
            return await self.commands([call.command for call in calls])
        except redis_errors.NoScriptError:
            return await self.commands([call.in_full() for call in calls])

    async def ask_each(self, calls: Sequence[ScriptCall]) -> list[list[Any]]:
        """Run scripts that change nothing, and are asked again and again; returns their replies.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        try:
            return await self.ask([call.command for call in calls])
        except redis_errors.NoScriptError:
            return await self.ask([call.in_full() for call in calls])

    async def command(self, *command: Any) -> Any:
        """Run one command that may be repeated.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        return await self._repeat(lambda: self._pipeline.execute(*command))

    async def hash_fields(self, key: str) -> dict[str, str]:
        """The fields of a hash; none if there is none. A server of RESP2 answers with a list.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        return field_map(await self.command("HGETALL", key))

    async def commands(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run commands that may be repeated, in one round trip of their own.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        if not (wanted := list(commands)):
            return []
        replies: list[Any] = await self._repeat(lambda: self._pipeline.execute_all(wanted))
        return replies

    async def refusal_of(self, command: tuple[Any, ...]) -> Exception | None:
        """Send a command that is invalid, and return what the server says of it.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """

        async def send() -> Exception | None:
            try:
                await self._pipeline.execute(*command)
            except redis_errors.ResponseError as error:
                return error
            return None

        refusal: Exception | None = await self._repeat(send)
        return refusal

    async def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run commands that are asked again and again, over a connection that is kept for them.

        Raises:
            StoreUnavailable: no answer within the runner's patience.
        """
        replies: list[Any] = await self._repeat(lambda: self._kept.ask(commands))
        return replies

    async def run_once_each(
        self, calls: Sequence[ScriptCall], *, in_full: Collection[int]
    ) -> list[list[Any] | Exception]:
        """Run scripts once, in this order, in a round trip of their own.

        Args:
            calls: the calls; a server of a cluster gets its own in this order.
            in_full: the places of those that are sent with their script's text.

        Returns:
            Each one's reply, or the error in its place.
        """
        commands = [
            call.in_full() if place in in_full else call.command for place, call in enumerate(calls)
        ]
        try:
            return await self._kept.ask_each(commands)
        except Exception as error:  # noqa: BLE001  the caller knows what to do about it
            return [error] * len(commands)

    async def _repeat(self, send: Callable[[], Awaitable[Any]]) -> Any:
        repeats = Repeats(self.patience)
        while True:
            try:
                return await send()
            except (*PASSING, redis_errors.ResponseError, redis_errors.InvalidResponse) as error:
                await repeats.wait_after(error)

    async def _send(self, call: ScriptCall) -> Any:
        try:
            return await self._pipeline.execute(*call.command)
        except redis_errors.NoScriptError:
            return await self._pipeline.execute(*call.in_full())


class Repeats:
    """How long an identical call is repeated, and when."""

    def __init__(self, patience: float) -> None:
        """The first call is sent now; it is repeated for `patience` seconds."""
        self._patience = patience
        self._give_up = time.monotonic() + patience
        self._pause = 0.02

    async def wait_after(self, error: Exception) -> None:
        """Wait until the call is to be sent again.

        Raises:
            StoreUnavailable: the patience is at its end.
            StoreFull: the server is out of memory.
            NotConfigured, RedisError: it would fail for ever.
        """
        if is_full(error):
            raise store_full() from error
        if not is_passing(error):
            raise misfit(error) or error from error
        if time.monotonic() >= self._give_up or self._cannot_pass(error):
            raise unavailable(error) from error
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, 1.0)

    def _cannot_pass(self, error: Exception) -> bool:
        """Whether waiting helps nobody: TLS fails. What waits for ever outlives that too."""
        return self._patience < math.inf and explain(error) is not None


def misfit(error: Exception) -> errors.NotConfigured | None:
    """The error for an address that leads to no Redis, or to a database that it has not."""
    if any(word in str(error) for word in ("DB index", "Protocol error")):
        return errors.NotConfigured(
            f"The server at the Redis URL sent an unexpected reply ({error}). Check "
            "THREADMILL_REDIS_URL: host, port and database number."
        )
    return None


def unavailable(error: Exception) -> errors.StoreUnavailable:
    """The error for a Redis that does not answer; the client's words hold no password."""
    if reason := explain(error):
        return errors.StoreUnavailable(
            f"Redis cannot be reached: {reason}. Check THREADMILL_REDIS_URL."
        )
    if _is_rejected_login(error):
        return errors.StoreUnavailable(_rejected_login(find_failure(error)))
    failure = find_failure(error)
    is_cut = any(word in str(error) for word in _CUT)
    return errors.StoreUnavailable(
        f"Redis cannot be {_what(failure, error)}. Check THREADMILL_REDIS_URL "
        f"and that the server is running{REPEATABLE}."
        + (" A server that speaks TLS needs a URL with rediss://." if is_cut else "")
    )


def _rejected_login(failure: Failure) -> str:
    if failure.kind == "login":
        return "Redis rejected the user name and password. Check THREADMILL_REDIS_URL."
    if failure.kind == "no_login":
        return (
            "Redis requires a password, and the URL has none. Put it into THREADMILL_REDIS_URL, "
            "as in redis://:PASSWORD@host:6379/0."
        )
    return f"Redis cannot be used: {failure.cause}. Check THREADMILL_REDIS_URL."


def _what(failure: Failure, error: Exception) -> str:
    """In words of ours, unless there are none: the client's quote commands and connections."""
    if failure.kind == "other" and type(error).__name__ in failure.cause:
        return f"reached ({type(error).__name__}: {error})"
    is_away = failure.kind == "closed" or not failure.is_reached
    return f"{'reached' if is_away else 'used'} ({failure.cause})"


def _is_rejected_login(error: BaseException | None) -> bool:
    """Whether it is one; a cluster's error has it as a cause."""
    while error is not None:
        if isinstance(error, redis_errors.AuthenticationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def store_full() -> errors.StoreFull:
    """The error for a Redis that is out of memory."""
    return errors.StoreFull(
        "Redis has reached its maxmemory and accepts no new data. Raise maxmemory, or delete "
        "threads that are no longer needed."
    )
