"""The connection on which a process is told of messages on Redis's channels."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from threadmill_shared.store.buffered_replies import take_buffered
from threadmill_shared.store.connections import PASSING, StoreClient

SILENT_SECONDS = 5.0
"""After this time without a message the server is pinged, and has as long to answer."""
_AT_ONCE = 1000
"""The most messages that are taken before they are passed on."""


class ChannelSubscription:
    """Subscribes to channels, over one connection that nothing else uses."""

    def __init__(self, client: StoreClient) -> None:
        """Nothing is connected yet; the connection will be one of `client`."""
        self._client = client
        self._pubsub: Any = None
        self._heard_at = time.monotonic()
        self._is_asked = False

    async def subscribe(self, channel: str) -> None:
        """Have the messages of a channel come.

        Raises:
            ConnectionError: the server is away.
        """
        if self._pubsub is None:
            self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        await self._pubsub.subscribe(channel)

    async def unsubscribe(self, channel: str) -> None:
        """Have them come no more.

        Raises:
            Exception: a connection that is just being closed or replaced fails in its own ways.
        """
        if self._pubsub is not None:
            await self._pubsub.unsubscribe(channel)

    async def messages(self, timeout: float) -> list[tuple[str, str]]:
        """Wait for messages; returns channel and text of those that are there, none if in vain.

        Raises:
            RuntimeError: nothing is subscribed.
            ConnectionError: the server is away.
        """
        if self._pubsub is None:
            raise RuntimeError("nothing is subscribed")
        # redis-py's get_message does not distinguish a reply to PING from silence.
        said = await self._pubsub.parse_response(block=False, timeout=timeout)
        if said is None:
            await self._stand_silence()
            return []
        self._heard_at, self._is_asked = time.monotonic(), False
        found = [await self._message(said)]
        with contextlib.suppress(*PASSING):  # the next call finds it, too, and connects
            connection = getattr(self._pubsub, "node_connection", self._pubsub.connection)
            for reply in await take_buffered(connection, _AT_ONCE, has_messages=True):
                found.append(await self._message(reply))  # noqa: PERF401  a failure keeps the rest
        return [message for message in found if message is not None]

    async def _message(self, said: Any) -> tuple[str, str] | None:
        if not isinstance(said, list):  # a reply to PING
            return None
        if said[0] == "message":
            return said[1], said[2]
        await self._pubsub.handle_message(said)
        return None

    async def close(self) -> None:
        """Close the connection."""
        if self._pubsub is not None:
            await self._pubsub.aclose()

    async def _stand_silence(self) -> None:
        """Check that the server is still reachable.

        A frozen or vanished server closes no connection. The server that was promoted in its place
        would publish messages that nobody receives.
        """
        if time.monotonic() - self._heard_at <= SILENT_SECONDS:
            return
        self._heard_at = time.monotonic()
        self._is_asked = not self._is_asked
        if self._is_asked:
            await self._pubsub.ping()
        else:
            await self._pubsub.connection.disconnect()  # the next read connects, and subscribes
