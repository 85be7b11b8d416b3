"""The connection on which a process is told of messages on Redis's channels."""

from __future__ import annotations

import time
from typing import Any

from threadmill_shared.store.connections import StoreClient

SILENT_SECONDS = 5.0
"""After this time without a message the server is pinged, and has as long to answer."""


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

    async def message(self, timeout: float) -> tuple[str, str] | None:
        """Wait for a message; returns its channel and text, or None if none has come in time.

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
            return None
        self._heard_at, self._is_asked = time.monotonic(), False
        message = await self._pubsub.handle_message(said) if isinstance(said, list) else None
        return None if message is None else (message["channel"], message["data"])

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
