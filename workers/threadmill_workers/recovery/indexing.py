"""Keeps the indexes of lists whole: one worker of the fleet does it for all.

It removes runs whose records have expired, and indexes what workers and producers of earlier
releases have written. For that it looks at all keys, in passes; a pass proves that the indexes are
complete if no worker that keeps none was registered meanwhile.

That has to be noticed: by every worker that keeps indexes, since each checks all the time which
workers there are. One that registers and finds no such one cannot know who was there before, so its
registration notes that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from threadmill_shared.errors import StoreFull
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.store.indexer import IndexedPart, IndexingView, Leading
from threadmill_shared.store.indexing_state import SEEN_SECONDS, IndexingState
from threadmill_shared.store.key_scan import ScanStep
from threadmill_shared.store.store import Store

logger = logging.getLogger("threadmill.worker")

LOOK_SECONDS = 5.0
LEAD_MS = 15_000
"""How long a worker stays the indexer without saying so again."""
TRIM_SECONDS = 30.0
STEP_KEYS = 500
"""Keys that are looked at in one round trip."""
KEYS_PER_SECOND = 5_000
KEYS_FOR_A_THREAD = 5
"""What a thread costs, compared with a key that is only looked at."""
KEYS_FOR_A_RUN = 3
DAY_SECONDS = 86_400
"""After so long, another pass finds what producers of an earlier release have written since."""


class Indexing:
    """The work of the indexer, which this worker may be."""

    def __init__(self, store: Store, worker: str, metadata: tuple[str, ...]) -> None:
        """Nothing is done yet.

        Args:
            store: where the indexes are.
            worker: the id of this one.
            metadata: the keys of threads' metadata that are to have indexes.
        """
        self._indexer = store.indexer
        self._worker = worker
        self._wanted = ",".join(metadata)
        self._trimmed_at = float("-inf")
        self._sees_others = False
        self._has_chosen = False

    async def see_workers(self, workers: Iterable[WorkerInfo]) -> None:
        """Note that there are workers that keep no indexes, as soon as that is so."""
        sees_others = any(not worker.keeps_indexes for worker in workers)
        with contextlib.suppress(StoreFull):
            if sees_others and not self._sees_others:
                await self._indexer.doubt()
            self._sees_others = sees_others

    async def look(self) -> None:
        """Do what is due, if this worker is the indexer or can become it.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreFull: it has no room.
        """
        if not await self._leads():
            return
        await self._trim()  # a full Redis allows this, but not to note anything
        state = await self._noted(await self._indexer.view())
        if _needs_pass(state, await self._indexer.view()):
            await self._pass(state)

    async def _leads(self) -> bool:
        leading = await self._indexer.lead(self._worker, LEAD_MS)
        self._has_chosen = self._has_chosen and leading is Leading.STILL
        return leading is not Leading.NO

    async def _noted(self, view: IndexingView) -> IndexingState:
        """Note that the indexer looks, and what follows from what it sees."""
        state, now = view.state, view.now
        if now - state.seen_at > SEEN_SECONDS or not self._has_chosen:
            # Another indexer may have chosen, and ended before it has noted that.
            await self._indexer.choose_metadata(self._wanted)
            self._has_chosen = True
        if state.is_doubted or now - state.seen_at > SEEN_SECONDS:
            # A pass that is under way goes on, but only the next one proves something.
            state = replace(state, is_complete=False, saw_others=state.is_passing, passes=0)
        if state.wanted != self._wanted:
            if state.seen_at:
                logger.info(
                    "threads are indexed by %s from now on, before by %s; if this line comes again "
                    "and again, the workers do not agree about THREADMILL_INDEX",
                    self._wanted or "nothing",
                    state.wanted or "nothing",
                )
            both = [key for key in state.metadata.split(",") if key in self._wanted.split(",")]
            state = replace(state, wanted=self._wanted, metadata=",".join(both), is_passing=False)
        if view.sees_others:
            state = replace(state, is_complete=False, saw_others=True)
        state = replace(state, seen_at=now)
        await self._indexer.note(state)
        if view.state.is_doubted:
            await self._indexer.take_doubt_back()
        return state

    async def _trim(self) -> None:
        if time.monotonic() - self._trimmed_at < TRIM_SECONDS:
            return
        began = time.monotonic()
        while await self._indexer.trim():
            await _rest(0, began)
            began = time.monotonic()
            if not await self._leads():
                return
        await self._indexer.correct_statuses()
        self._trimmed_at = time.monotonic()

    # ---- a pass over all keys --------------------------------------------------------------------

    async def _pass(self, state: IndexingState) -> None:
        state = await self._begun(state)
        while state.is_passing:
            began = time.monotonic()
            step = await self._indexer.next_keys(state.place, STEP_KEYS)
            await _rest(STEP_KEYS, began)
            indexed = await self._index(step.keys, state)
            if indexed is None or not await self._leads():
                return
            state = await self._stepped(indexed, step)

    async def _index(self, keys: Sequence[str], state: IndexingState) -> IndexingState | None:
        """Index what was found; None if another worker has become the indexer meanwhile."""
        looked_at = began = time.monotonic()
        async for part in self._indexer.index(keys):
            await _rest(_cost(part), began)
            state = replace(state, missing=state.missing + part.missing)
            began = time.monotonic()
            if began - looked_at > LOOK_SECONDS:
                if not await self._leads():
                    return None
                state, looked_at = await self._seen(state), began
                await self._indexer.note(state)
        return state

    async def _begun(self, state: IndexingState) -> IndexingState:
        """The pass that is under way, or a new one; after a restart a server has other places."""
        servers = await self._indexer.servers()
        if state.is_passing and servers and servers == state.server:
            return state
        return await self._begun_anew(state, servers)

    async def _begun_anew(self, state: IndexingState, servers: str) -> IndexingState:
        sees_others = (await self._indexer.view()).sees_others
        begun = replace(state, is_passing=True, saw_others=sees_others, place="", server=servers)
        return replace(begun, keys=0, missing=0)

    async def _stepped(self, state: IndexingState, step: ScanStep) -> IndexingState:
        """Note how far the pass is; at its end, what it has proved."""
        state = replace(await self._seen(state), place=step.place, is_passing=bool(step.place))
        state = replace(state, keys=state.keys + STEP_KEYS)
        servers = await self._indexer.servers()
        if servers != state.server:  # the step may have gone on at a place of another server
            state = await self._begun_anew(state, servers)
        if not state.is_passing:
            await self._indexer.remove_gone_assistants()
            state = self._ended(state, state.seen_at)
        await self._indexer.note(state)
        return state

    async def _seen(self, state: IndexingState) -> IndexingState:
        view = await self._indexer.view()
        saw_others = state.saw_others or view.sees_others or view.state.is_doubted
        return replace(state, seen_at=view.now, saw_others=saw_others)

    def _ended(self, state: IndexingState, now: int) -> IndexingState:
        if state.missing:
            logger.info(
                "added %d entries to the indexes of lists for what earlier releases have written",
                state.missing,
            )
        ended = replace(state, checked_at=now, passes=state.passes + 1)
        if state.saw_others:
            return ended
        return replace(ended, is_complete=True, metadata=state.wanted)


def _cost(part: IndexedPart) -> int:
    return KEYS_FOR_A_THREAD * part.threads + KEYS_FOR_A_RUN * part.runs + part.entries


async def _rest(keys: int, began: float) -> None:
    """Sleep as long as so many keys may take, and at least as long as the server has worked."""
    spent = time.monotonic() - began
    await asyncio.sleep(max(spent, keys / KEYS_PER_SECOND - spent))


def _needs_pass(state: IndexingState, view: IndexingView) -> bool:
    """Whether a pass is under way or due.

    While a worker is registered that keeps no indexes, one pass indexes most of what there is; the
    one that proves something comes when that worker is gone.
    """
    is_current = state.is_complete and state.metadata == state.wanted
    is_due = not is_current or view.now - state.checked_at > DAY_SECONDS
    return state.is_passing or (is_due and not (view.sees_others and state.passes > 0))
