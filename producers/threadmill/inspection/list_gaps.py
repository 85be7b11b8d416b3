"""Why lists may lack runs and threads."""

from __future__ import annotations

from threadmill.inspection.workers import read_workers
from threadmill_shared.store.indexing_state import SEEN_SECONDS
from threadmill_shared.store.store import Store


async def find_why_incomplete(store: Store) -> str:
    """Say why a list that is incomplete is so, as a part of a sentence.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    if all(one.condition == "silent" for one in await read_workers(store)):
        return "no worker is alive, which would keep the indexes"
    view = await store.indexer.view()
    if view.sees_others:
        return "a worker of an earlier release is alive, which keeps no indexes"
    if view.now - view.state.seen_at > SEEN_SECONDS:
        return "no worker has looked after the indexes for a minute"
    if view.state.is_doubted or not view.state.is_complete:
        return "what earlier releases have written is not indexed yet"
    return "threads are not indexed by these keys of metadata yet"
