"""A run's record as it is stored, not interpreted yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from threadmill_shared.records.run import RunRecord, Status, status_of


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What Redis has of a run."""

    id: str
    fields: Mapping[str, str]
    """Those of its hash."""

    @property
    def thread_id(self) -> str:
        """Its thread."""
        return self.fields["thread_id"]

    @property
    def status(self) -> Status:
        """How far it is.

        Raises:
            StoreIncompatible: this release does not know its status.
        """
        return status_of(self.id, self.fields["status"])

    def read(self) -> RunRecord:
        """The record.

        Raises:
            StoreIncompatible: this release does not know its status.
        """
        return RunRecord.read(self.id, self.fields)
