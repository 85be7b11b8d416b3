"""Who a worker process is, among all that share a store."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from threadmill_shared.records.workers import process_name
from threadmill_shared.store.workers import notification_channel


@dataclass(frozen=True)
class WorkerIdentity:
    """Who claims: one worker process."""

    id: str
    """`host:pid:nonce`"""
    channel: str
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
    def of_this_process(cls, namespace: str) -> WorkerIdentity:
        """This process, under an id that no other has or had."""
        worker_id = f"{process_name()}:{secrets.token_hex(4)}"
        return cls(worker_id, notification_channel(namespace, worker_id))

    def renewed(self) -> WorkerIdentity:
        """The same process under a new id, because the old one was declared dead."""
        return WorkerIdentity(f"{self.name}:{secrets.token_hex(4)}", self.channel)
