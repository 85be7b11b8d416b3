"""Notices that a full Redis has room again."""

from __future__ import annotations

from collections.abc import Callable

from threadmill_shared.store.store import Store

ROOM_SECONDS = 5.0
"""Between two looks."""


class RoomCheck:
    """Looks only while Redis is known to be full, so that it costs nothing otherwise."""

    def __init__(self, store: Store, on_room: Callable[[], None]) -> None:
        """A check of this store; `on_room` is called when it has room again."""
        self._inspector = store.inspector
        self._guard = store.memory_guard
        self._on_room = on_room

    async def look(self) -> None:
        """Look whether there is room again, if there was none."""
        if self._guard.has_warned and await self._inspector.refusal() is None:
            self._guard.note_room()
            self._on_room()
