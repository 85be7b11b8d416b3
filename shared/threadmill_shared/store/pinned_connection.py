"""A connection that is kept, for what a process sends all the time.

For each pipeline, redis-py takes a connection out of its pool, looks whether it is still good,
packs each command in Python, and treats each answer by its command's name; for each pipeline that
it sends it makes a task, and for each answer a timer. That takes longer than Redis needs for an
enqueue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
from redis import exceptions as redis_errors

from threadmill_shared.store.buffered_replies import take_buffered
from threadmill_shared.store.connections import StoreClient

Command = tuple[Any, ...]

_LEAST_SHARE = 0.9
"""Of the time that an answer may take, each one has at least this."""


class PinnedConnection:
    """Asks over one connection of the client's, and answers as the server does."""

    def __init__(self, client: StoreClient) -> None:
        """Nothing is connected yet; the client closes the connection with its others."""
        self._client = client
        self._connection: Any = None
        self._seconds: float | None = None
        """How long an answer may take."""
        self._lock = asyncio.Lock()

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their answers.

        Raises:
            ResponseError: the first of the answers that is an error.
            ConnectionError: the server is away; the next question connects again.
        """
        answers = await self.ask_each(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def ask_each(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together; returns their answers, or the errors that came in their place.

        Raises:
            ConnectionError: the server is away; the next question connects again.
        """
        pool = getattr(self._client, "connection_pool", None)
        if pool is None:  # a cluster, which has one for each node
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(await pipeline.execute(raise_on_error=False))
        async with self._lock:
            connection = self._connection = self._connection or await self._take(pool)
            try:
                async with asyncio.timeout(self._seconds) as limit:
                    await connection.send_packed_command([*map(hiredis.pack_command, commands)])
                    answers = await self._answers(connection, len(commands), limit)
            except BaseException as error:
                await self._give_back(pool)
                if isinstance(error, TimeoutError):
                    raise redis_errors.TimeoutError("Timeout reading from Redis") from None
                raise
            if any(map(_is_of_replica, answers)):  # its address may be another server's now
                await self._give_back(pool)
            return answers

    async def _take(self, pool: Any) -> Any:
        """Take a connection for good; that it answers in time is looked after here."""
        connection = await pool.get_connection()
        self._seconds, connection.socket_timeout = connection.socket_timeout, None
        return connection

    async def _give_back(self, pool: Any) -> None:
        """Do without it: the next question finds none of its answers, and asks the pool.

        That knows the server that has been promoted meanwhile.
        """
        connection, self._connection = self._connection, None
        connection.socket_timeout = self._seconds
        await connection.disconnect(nowait=True)
        await pool.release(connection)

    async def _answers(self, connection: Any, count: int, limit: asyncio.Timeout) -> list[Any]:
        answers: list[Any] = []
        while len(answers) < count:
            answers.append(await self._answer(connection, limit))
            answers += await take_buffered(connection, count - len(answers))
        return answers

    async def _answer(self, connection: Any, limit: asyncio.Timeout) -> Any:
        try:
            answer = await connection.read_response()  # with a time, a broken socket reads as None
        except redis_errors.ResponseError as error:
            answer = error
        self._extend(limit)
        return answer

    def _extend(self, limit: asyncio.Timeout) -> None:
        """Give the next answer its time; not each of many at once, since that makes a timer."""
        if self._seconds is None:
            return
        now, until = asyncio.get_running_loop().time(), limit.when() or 0.0
        if until - now < _LEAST_SHARE * self._seconds:
            limit.reschedule(now + self._seconds)


def _is_of_replica(answer: Any) -> bool:
    if isinstance(answer, redis_errors.ReadOnlyError):
        return True
    # Redis 6.2 wraps the refusal of a script in an error of its own.
    return isinstance(answer, redis_errors.ResponseError) and "READONLY" in str(answer)
