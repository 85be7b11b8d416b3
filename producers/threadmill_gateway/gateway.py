"""What the endpoints of one gateway share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from threadmill_gateway.access.limits import Slots
from threadmill_gateway.connections import Connections
from threadmill_gateway.fresh_objects import FreshObjects
from threadmill_gateway.metrics.recorder import MetricsRecorder
from threadmill_gateway.settings import GatewaySettings
from threadmill_shared.settings import Settings


class Gateway:
    """Its settings, its connections, and how much is in use."""

    def __init__(self, settings: Settings, options: GatewaySettings) -> None:
        """Not connected yet: connections belong to an event loop, and there may be none."""
        self.settings = settings
        self.options = options
        self.requests = Slots("requests", options.requests, "THREADMILL_GATEWAY_REQUESTS")
        self.streams = Slots("open streams", options.streams, "THREADMILL_GATEWAY_STREAMS")
        self.metrics = MetricsRecorder()
        """Takes note of requests; another one counts them."""
        self.fresh = FreshObjects()
        """What was created here a short while ago, and might go to a repeat of its request."""
        self.is_ending = False
        """Whether the process is to end, so that streams end, too."""
        self._connections: Connections | None = None

    @property
    def connections(self) -> Connections:
        """Those of this event loop, made at the first use.

        Raises:
            NotConfigured: there is no Redis URL.
        """
        if self._connections is None:
            self._connections = Connections(self.settings)
            self._connections.store.on_round_trip(self.metrics.note_round_trip)
        return self._connections

    def count_in(self, metrics: MetricsRecorder) -> None:
        """Have these metrics take note of what happens."""
        self.metrics = metrics
        metrics.watch(requests=lambda: self.requests.taken, streams=lambda: self.streams.taken)

    def end_streams(self) -> None:
        """Have open streams end within a second, each with an event that says so."""
        self.is_ending = True

    @asynccontextmanager
    async def lifespan(self, _app: Any) -> AsyncIterator[None]:
        """As servers tell it; a mounted application is not told."""
        try:
            yield
        finally:
            connections, self._connections = self._connections, None
            if connections is not None:
                await connections.close()
