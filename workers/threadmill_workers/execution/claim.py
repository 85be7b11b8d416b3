"""Who holds runs, and how a run becomes somebody's."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from dataclasses import dataclass

from threadmill_shared.records.definition import RunRequest
from threadmill_shared.records.run import RunRecord, pairs
from threadmill_shared.store.keys import Keys
from threadmill_shared.store.runs import Store
from threadmill_workers.execution.held_run import HeldRun

logger = logging.getLogger("threadmill.worker")


@dataclass(frozen=True)
class Holder:
    """Who claims: one worker process."""

    id: str
    """`host:pid:nonce`"""
    bell: str
    """The channel on which it is told to stop a run."""

    @property
    def name(self) -> str:
        """The first two parts of the id, `host:pid`."""
        return self.id.rpartition(":")[0]

    @property
    def nonce(self) -> str:
        """The last part of the id, which tells two processes of one pid apart."""
        return self.id.rpartition(":")[2]

    @classmethod
    def of_this_process(cls, namespace: str) -> Holder:
        """This process, under an id that no other has or had."""
        # Not every name that a host can have may stand in a channel's or a queue's name.
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())
        worker_id = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
        return cls(worker_id, Keys(namespace).bell(worker_id))

    def risen(self) -> Holder:
        """The same process under a new id, because the old one was taken for dead."""
        return Holder(f"{self.name}:{secrets.token_hex(4)}", self.bell)


async def claim(
    store: Store, holder: Holder, run_id: str, task_id: str = ""
) -> HeldRun | RunRecord | None:
    """Take a queued run.

    Args:
        store: where the run is.
        holder: who takes it.
        run_id: the run.
        task_id: the Celery task that asks for it.

    Returns:
        The run; or its record, if it has ended without a worker and this is the first to know; or
        None, if it is not to be had (or not yet, or no more).
    """
    reply = await store.scripts.run(
        "claim",
        keys={"run": store.keys.run(run_id)},
        args={
            "bucket": store.keys.bucket(run_id),
            "run_id": run_id,
            "worker": holder.id,
            "worker_name": holder.name,
            "bell": holder.bell,
            "claim": secrets.token_hex(8),
            "task": task_id,
        },
    )
    if reply[0] == "ended":
        return RunRecord.read(run_id, pairs(reply[1]))
    if reply[0] not in ("claimed", "again"):
        logger.debug("%s is not to be claimed: %s", run_id, reply[0])
        return None
    _, token, left, position, fields = reply
    record = RunRecord.read(run_id, pairs(fields))
    _warn_of_unknown(record.request)
    return HeldRun(store, record, token, int(left) / 1000, int(position))


def _warn_of_unknown(request: RunRequest) -> None:
    """Say it, once for each name, where this worker does not do all that a run asks for."""
    for stored in (request, request.options, *request.tools, *request.hosted):
        for name in (stored.model_extra or {}).keys() - _unknown:
            _unknown.add(name)
            logger.warning(
                "a run was enqueued by a newer threadmill with %r, which this worker does not "
                "know and leaves out. Upgrade the workers first (docs/upgrading.md)",
                name,
            )


_unknown: set[str] = set()
"""What this process has warned of."""
