"""The functions of tools that no live worker has, so that their calls wait for one."""

from __future__ import annotations

from collections.abc import Iterable

from threadmill_shared.broker.queues import Queues
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.store import Store
from threadmill_shared.tools import ToolSpec


async def find_absent(store: Store, run: RunRecord, names: Iterable[str]) -> list[ToolSpec]:
    """Find out which of a run's tools need a worker, and have none that takes its runs.

    Args:
        store: the store.
        run: the run.
        names: the tools in question.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    is_script = Queues(store.namespace).is_embedded(run.queue)
    queue = None if is_script else run.queue
    wanted = set(names) - set(run.request.local_tools)
    tools = [one for one in run.request.tools if one.name in wanted and not one.is_external]
    workers = [await store.workers.worker_with_more([tool], 0, queue=queue) for tool in tools]
    return [tool for tool, worker in zip(tools, workers, strict=True) if worker is None]


async def read_absent(store: Store, run_id: str, names: Iterable[str]) -> list[ToolSpec]:
    """The same for a run that is read first; none if there is no such run."""
    place = await store.inspector.place(run_id)
    return [] if place is None else await find_absent(store, place.record, names)
