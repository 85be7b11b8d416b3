"""How a worker claims a run."""

from __future__ import annotations

import logging

from threadmill_shared.records.definition import RunSnapshot
from threadmill_shared.records.run import RunRecord
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun
from threadmill_workers.membership.identity import WorkerIdentity

logger = logging.getLogger("threadmill.worker")


async def claim(
    store: Store, holder: WorkerIdentity, run_id: str, task_id: str = ""
) -> HeldRun | RunRecord | None:
    """Take a queued run.

    Args:
        store: where the run is.
        holder: who takes it.
        run_id: the run.
        task_id: the Celery task that asks for it.

    Returns:
        The run; or its record, if it has ended without a worker and this is the first to know; or
        None, if it cannot be claimed (not yet, or no longer).
    """
    claimed = await store.held_runs.claim(
        run_id,
        worker=holder.id,
        worker_name=holder.name,
        channel=holder.channel,
        task=task_id,
    )
    if claimed.record is None or claimed.writer is None:
        logger.debug("%s cannot be claimed: %s", run_id, claimed.outcome)
        return claimed.record
    _warn_of_unknown(claimed.record.request)
    return HeldRun(
        claimed.writer,
        claimed.record,
        seconds_left=claimed.seconds_left,
        position=claimed.position,
        recent_items=claimed.recent_items,
        left_out=claimed.left_out,
        tool_resources=claimed.tool_resources,
    )


def _warn_of_unknown(request: RunSnapshot) -> None:
    """Log, once for each name, what a run asks for that this worker does not know."""
    for stored in (request, request.options, *request.tools, *request.hosted):
        for name in stored.model_extra.keys() - _unknown if stored.model_extra else ():
            _unknown.add(name)
            logger.warning(
                "a run was enqueued by a newer threadmill with %r, which this worker does not "
                "know and ignores. Upgrade the workers first (docs/upgrading.md)",
                name,
            )


_unknown: set[str] = set()
"""What this process has warned of."""
