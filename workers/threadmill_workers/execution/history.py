"""The part of a thread that a model request carries.

Whole turns are dropped from its beginning, never a tool call without its output: providers refuse
such a conversation. Only what will be sent is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from threadmill_shared import ids
from threadmill_shared.records import lenient
from threadmill_shared.records.items import Item
from threadmill_shared.store.paging import PAGE
from threadmill_shared.store.store import Store
from threadmill_workers.execution.reduction import turn_starts

MAX_BYTES = 4_000_000
"""More than fits into any context of today; bounds what a worker reads of a long thread."""
_SMALLEST_PAGE = 20


class History:
    """A thread's items up to a position, and those that this run adds."""

    def __init__(
        self,
        store: Store,
        thread_id: str,
        position: int,
        strategy: dict[str, Any] | None,
        *,
        recent: Sequence[tuple[int, str]] = (),
        queue: str = "",
    ) -> None:
        """The thread's items up to `position`, shortened as `strategy` says.

        Args:
            store: where the items are.
            thread_id: whose they are.
            position: of the last item to read.
            strategy: `{"type": "auto"}`, or `{"type": "last_messages", "last_messages": n}`.
            recent: the newest of the items up to `position` with their positions, as they are
                stored, oldest first.
            queue: the run's, if its assistant has one; noted with what only its provider takes.
        """
        self.queue = queue
        self._store = store
        self._thread_id = thread_id
        self._position = position
        self._recent = recent
        self._last_messages: int | None = (strategy or {}).get("last_messages")
        self._items: list[Item] | None = None
        self._call_ids: set[str] = set()
        self.positions: list[int] = []
        """Those of the items, once they are read; there are gaps if messages were deleted."""

    async def items(self) -> Sequence[Item]:
        """What to send, oldest first."""
        if self._items is None:
            self.positions, self._items = await self._read()
            calls = (item for item in self._items if item["type"] == "tool_call")
            self._call_ids = {lenient.text(call["provider_id"]) for call in calls}
        return self._items

    def marked(self, item: Item) -> Item:
        """The item with the run's queue, if it is only for the provider that made it."""
        if self.queue and item["type"] in ("reasoning", "hosted_call"):
            item["queue"] = self.queue
        return item

    def append(self, item: Item) -> None:
        """Add an item that this run has stored."""
        if self._items is None:
            raise RuntimeError("a history must be read before it is written")
        # While the run holds the thread nobody else adds an item.
        self._position += 1
        self.positions.append(self._position)
        self._items.append(item)

    def has_calls_of(self, run_id: str) -> bool:
        """Whether the run has called a tool."""
        items = self._items or ()
        return any(i["type"] == "tool_call" and i["run_id"] == run_id for i in reversed(items))

    def usable_call_id(self, provider_id: str) -> str | None:
        """The provider's id of a call, unless it is taken, or not fit to be sent back."""
        if provider_id in self._call_ids or not ids.is_fit_call_id(provider_id):
            return None
        self._call_ids.add(provider_id)
        return provider_id

    async def _read(self) -> tuple[list[int], list[Item]]:
        """The positions of what may be sent, and the items themselves."""
        stored, self._recent = [*self._recent], ()
        items: list[Item] = [from_json(text) for _, text in stored]
        size = sum(_size(text) for _, text in stored)
        oldest = stored[0][0] if stored else self._position + 1
        while oldest > 1 and not self._is_enough(items, size):
            page = self._page(items)
            older = await self._store.threads.items_before(self._thread_id, oldest - 1, page)
            stored, items = [*older, *stored], [*(from_json(text) for _, text in older), *items]
            size += sum(_size(text) for _, text in older)
            # The first positions may be gaps.
            oldest = older[0][0] if len(older) == page else 1
        cut = self._cut(items, is_whole=oldest <= 1)
        return [position for position, _ in stored[cut:]], items[cut:]

    def _page(self, items: Sequence[Item]) -> int:
        """How many items to read next: not many more than will be sent, and in few round trips."""
        if self._last_messages is None:
            return PAGE
        missing = self._last_messages + 1 - _messages(items)
        if missing <= 0:  # but for the beginning of their turn, which may be far
            return PAGE
        return min(max(2 * missing, len(items), _SMALLEST_PAGE), PAGE)

    def _is_enough(self, items: Sequence[Item], size: int) -> bool:
        if size > MAX_BYTES:
            return True
        if self._last_messages is None or _messages(items) <= self._last_messages:
            return False
        # The first one may be in the middle of a turn that is longer.
        return len(items) >= PAGE or any(turn_starts(items))

    def _cut(self, items: list[Item], *, is_whole: bool) -> int:
        """How many of the items are not sent, from the oldest on."""
        if is_whole and self._last_messages is None:
            return 0
        starts = turn_starts(items)
        if self._last_messages is not None:
            kept = [at for at in starts if _messages(items[at:]) <= self._last_messages]
            return (kept or starts[-1:] or [0])[0]
        return starts[0] if starts else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _messages(items: Sequence[Item]) -> int:
    return sum(item["type"] == "message" for item in items)
