"""One pipeline per process to the store.

Whatever a process has to ask of Redis while a round trip is under way goes out together in the next
one; an idle pipeline sends at once. So there is no timer in the path of a token, a thousand
concurrent callers need one connection, and a busy process pays for one round trip, not for one per
call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis import exceptions as redis_errors

from threadmill_shared.cancellation import cancel_all
from threadmill_shared.log_text import where_raised
from threadmill_shared.store.connections import StoreClient, is_passing
from threadmill_shared.store.pinned_connection import PinnedConnection

logger = logging.getLogger("threadmill.store")

Command = tuple[Any, ...]

JOINING_TURNS = 12
"""Turns of the event loop that a busy pipeline lets pass between two pipelines."""


class Sendable(Protocol):
    """Something that has a command to send, and takes its answer."""

    def command(self) -> Command | None:
        """The command, asked for at the last moment; None if there is nothing to send."""
        ...

    def settle(self, reply: Any) -> None:
        """Take the answer: Redis's, or the exception that came in its place."""
        ...


class Pipeline:
    """Sends commands in pipelines, one at a time, in the order in which they were put."""

    def __init__(self, client: StoreClient) -> None:
        self.client = client
        self._connection = PinnedConnection(client)
        self.on_round_trip: Callable[[float], None] = lambda _: None
        """Told how many seconds each pipeline has taken to be answered."""
        self._waiting: dict[Sendable, None] = {}
        self._work: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def put(self, sendable: Sendable) -> None:
        """Have a command sent with the next pipeline; putting it twice sends it once."""
        if not self._waiting:
            self._wake.set()
        self._waiting[sendable] = None
        if self._work is None:
            self._work = asyncio.ensure_future(self._send_for_ever())

    async def execute(self, *command: Any) -> Any:
        """Send one command and return its answer, or raise what came in its place."""
        call = _Call(command)
        self.put(call)
        return await call.answer

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send many commands in a pipeline of their own, beside the others.

        Raises:
            Exception: what came in place of the first answer that is none.
        """
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return list(await pipeline.execute())

    async def close(self) -> None:
        """Stop sending, and close the connections."""
        if self._work is not None:
            await cancel_all([self._work])
        await self.client.aclose()

    async def _send_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            commands = {s: command for s in waiting if (command := _command(s)) is not None}
            if commands:
                await self._send(commands)
            # If many runs write, let whatever has arrived meanwhile join: a round trip for each
            # token would cost more than the token. This waits for no time and no event.
            for _ in range(min(len(commands), JOINING_TURNS)):
                await asyncio.sleep(0)

    async def _send(self, commands: dict[Sendable, Command]) -> None:
        begun_at = time.monotonic()
        replies = await self._replies(list(commands.values()))
        self.on_round_trip(time.monotonic() - begun_at)
        for sendable, reply in zip(commands, replies, strict=True):
            try:
                sendable.settle(reply)
            except Exception as error:  # noqa: BLE001  one fault must not stop all other callers
                logger.error("could not process a reply of Redis: %s", where_raised(error))

    async def _replies(self, commands: list[Command]) -> list[Any]:
        try:
            return await self._connection.ask_each(commands)
        except Exception as error:  # noqa: BLE001  each caller knows what to do about it
            if isinstance(error, redis_errors.TimeoutError):
                self._fail_callers(error)
            if is_passing(error) or len(commands) == 1:
                return [error] * len(commands)
        # One of them cannot be sent at all; the others must not suffer for it.
        return [reply for command in commands for reply in await self._replies([command])]

    def _fail_callers(self, error: Exception) -> None:
        """Tell those that have called meanwhile, too: each would wait as long once more."""
        for call in [one for one in self._waiting if isinstance(one, _Call)]:
            del self._waiting[call]
            call.settle(error)


def _command(sendable: Sendable) -> Command | None:
    """What it has to send; one that fails at this is told so, and the others are sent."""
    try:
        return sendable.command()
    except Exception as error:  # noqa: BLE001
        logger.error("could not build a command for Redis: %s", where_raised(error))
        sendable.settle(error)
        return None


class _Call:
    """A command that somebody waits for."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def command(self) -> Command | None:
        return None if self.answer.done() else self._command

    def settle(self, reply: Any) -> None:
        if self.answer.done():
            return
        if isinstance(reply, Exception):
            self.answer.set_exception(reply)
        else:
            self.answer.set_result(reply)
