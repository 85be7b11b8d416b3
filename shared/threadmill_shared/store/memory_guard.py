"""Whether the server has room for what is new."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared.log_text import OF_PROCESS
from threadmill_shared.records.server_report import FULL_SHARE
from threadmill_shared.servers.trouble import Trouble
from threadmill_shared.store.connections import StoreClient, memory
from threadmill_shared.store.scripts.runner import store_full, unavailable

logger = logging.getLogger("threadmill.store")


class MemoryGuard:
    """Looks once a second whether the server has room for new runs."""

    def __init__(self, client: StoreClient) -> None:
        """It is looked at when it is asked for first."""
        self._client = client
        self._read_at = float("-inf")
        self._full = False
        self._trouble = Trouble()

    def warn(self) -> None:
        """Say in the log that there is none; once, however often it is found."""
        if self._trouble.note_failure():
            logger.warning(
                "Redis is full (maxmemory); runs wait to write until there is room",
                extra=OF_PROCESS,
            )

    @property
    def has_warned(self) -> bool:
        """Whether the log says that there is none, and not yet that there is again."""
        return self._trouble.is_on

    def note_room(self) -> None:
        """Say in the log that there is room again, if it said that there was none."""
        if (seconds := self._trouble.note_success()) is not None:
            logger.warning(
                "Redis has room again, after %.0f s; runs continue", seconds, extra=OF_PROCESS
            )

    async def refuse_when_full(self) -> None:
        """Reject new data if there is none.

        Raises:
            StoreFull: there is none.
            StoreUnavailable: Redis does not answer.
        """
        if self._begins_check():
            self.note(is_full=await self._is_full())
        elif self._full:
            raise store_full()

    def share_to_check(self) -> float | None:
        """What a script should look at: at this share of its memory the server has no room.

        Returns:
            None: it was looked at less than a second ago.

        Raises:
            StoreFull: there was no room then.
        """
        if self._begins_check():
            return FULL_SHARE
        if self._full:
            raise store_full()
        return None

    def look_again(self) -> None:
        """Take note that a script did not look after all: the next one does."""
        self._read_at = float("-inf")

    def note(self, *, is_full: bool) -> None:
        """Take note of what was found.

        Raises:
            StoreFull: there is no room.
        """
        self._full = is_full
        if is_full:
            raise store_full()

    def _begins_check(self) -> bool:
        """Whether the caller is the one that looks now; of those that come at once, one is."""
        now = time.monotonic()
        is_due = now - self._read_at > 1
        if is_due:
            self._read_at = now
        return is_due

    async def _is_full(self) -> bool:
        try:
            servers = await memory(self._client)
        except (redis_errors.TimeoutError, TimeoutError) as error:
            raise unavailable(error) from error  # what follows would wait as long again
        except Exception:  # noqa: BLE001  it is forbidden, or a connection that was idle is lost:
            return False  # what follows is repeated, and the server's own limit still holds
        return any(_is_full(info) for info in servers)


def _is_full(info: Mapping[str, Any]) -> bool:
    limit = int(info.get("maxmemory", 0))
    return limit > 0 and int(info["used_memory"]) >= FULL_SHARE * limit
