"""A client that loses answers: the call was carried out, and its caller cannot know."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from redis import exceptions as redis_errors
from tests.support.store.contents import Contents, read_contents

from threadmill_shared.store.connections import StoreClient


class LossyClient:
    """Passes everything on to a real client, and knows what the scripts answered.

    Answers are lost on the way that they take in production: of a single server, on the connection
    that a store keeps; of a cluster, and of what has a pipeline of its own, in pipelines.
    """

    def __init__(self, client: StoreClient, namespace: str) -> None:
        self._client = client
        pool = getattr(client, "connection_pool", None)  # a cluster has none
        self.connection_pool = LossyPool(self, pool) if pool else None
        self._namespace = namespace
        self._loses = False
        self._answering = asyncio.Event()
        self._answering.set()
        self._left: Contents | None = None
        self.outcomes: list[str] = []
        """What each call of a script was answered, lost answers too."""
        self.commands: list[str] = []
        """The names of all commands of a store."""
        self.round_trips: list[tuple[str, ...]] = []
        """The same, by the round trips that they took."""
        self.harm: list[str] = []
        """What repeated calls have changed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def lose_next_answer(self) -> None:
        """The next script's answer is lost; the call that repeats it must change nothing."""
        self._loses = True

    @contextlib.contextmanager
    def answers_held(self) -> Iterator[None]:
        """Until the end of the block, whoever has asked waits for the answer."""
        self._answering.clear()
        yield
        self._answering.set()

    def pipeline(self, **options: Any) -> LossyPipeline:
        return LossyPipeline(self, self._client.pipeline(**options))

    async def after_round_trip(self, names: list[str], replies: list[Any]) -> None:
        """Note it, look at what scripts have done, and lose their answers if that is wanted."""
        await self._answering.wait()
        self.commands += names
        self.round_trips.append(tuple(names))
        outcomes = [
            reply[0]
            for name, reply in zip(names, replies, strict=True)
            if name.startswith("EVAL") and not isinstance(reply, Exception)
        ]
        if outcomes:
            await self._after_scripts(outcomes)

    async def _after_scripts(self, outcomes: list[str]) -> None:
        self.outcomes += outcomes
        if self._left is not None:
            now = await read_contents(self._client, self._namespace)
            keys = now.keys() | self._left.keys()
            self.harm += [key for key in keys if now.get(key) != self._left.get(key)]
            self._left = None
        if self._loses:
            self._loses = False
            self._left = await read_contents(self._client, self._namespace)
            raise redis_errors.ConnectionError("the answer was lost")


class LossyPipeline:
    """A pipeline whose answers may be lost all at once."""

    def __init__(self, client: LossyClient, pipeline: Any) -> None:
        self._client = client
        self._pipeline = pipeline
        self._names: list[str] = []

    def execute_command(self, *command: Any) -> None:
        self._names.append(command[0])
        self._pipeline.execute_command(*command)

    async def execute(self, **options: Any) -> list[Any]:
        replies: list[Any] = await self._pipeline.execute(**options)
        await self._client.after_round_trip(self._names, replies)
        return replies


class LossyPool:
    """A pool whose connections may lose the answers of a round trip all at once."""

    def __init__(self, client: LossyClient, pool: Any) -> None:
        self._client = client
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def get_connection(self) -> LossyConnection:
        return LossyConnection(self._client, await self._pool.get_connection())

    async def release(self, connection: LossyConnection) -> None:
        await self._pool.release(connection.taken)


class LossyConnection:
    """A connection that a store keeps; it knows which commands await their answers."""

    def __init__(self, client: LossyClient, taken: Any) -> None:
        self._client = client
        self.taken = taken
        self._names: list[str] = []
        self._replies: list[Any] = []

    @property
    def socket_timeout(self) -> Any:
        return self.taken.socket_timeout

    @socket_timeout.setter
    def socket_timeout(self, seconds: Any) -> None:
        self.taken.socket_timeout = seconds

    async def send_packed_command(self, packed: list[bytes]) -> None:
        self._names, self._replies = [_name(command) for command in packed], []
        await self.taken.send_packed_command(packed)

    async def read_response(self) -> Any:
        """The next answer; with the last one, all of them may be lost."""
        try:
            reply = await self.taken.read_response()
        except redis_errors.ResponseError as error:
            self._replies.append(error)
            await self._after_reply()
            raise
        self._replies.append(reply)
        await self._after_reply()
        return reply

    async def disconnect(self, **options: Any) -> None:
        await self.taken.disconnect(**options)

    async def _after_reply(self) -> None:
        if len(self._replies) == len(self._names):
            await self._client.after_round_trip(self._names, self._replies)


def _name(packed: bytes) -> str:
    """The name of a command as it is sent: *2, $3, GET, $1, x."""
    return packed.split(b"\r\n", 3)[2].decode()
