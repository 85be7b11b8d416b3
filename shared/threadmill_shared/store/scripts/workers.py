"""The scripts that register workers, keep them registered, and remove them."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill_shared.store.keys import Keys
from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


class WorkerScripts:
    """Calls of the scripts about workers of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def register(
        self,
        *,
        worker: str,
        known: str,
        registration: str,
        lease_ms: int,
        tools_ms: int,
        rest: Sequence[str],
    ) -> ScriptCall:
        """Register a worker that can execute the tools of `rest`.

        `known` are the registrations that it may have already, one a line.
        """
        keys = {**self._of_membership(worker), "indexing": self._keys.indexing()}
        args: dict[str, Value] = {
            "worker": worker,
            "known": known,
            "registration": registration,
            "lease_ms": lease_ms,
            "tools_ms": tools_ms,
        }
        return script("register").call(keys, args, rest)

    def renew_lease(
        self, *, worker: str, registration: str, lease_ms: int, tools_ms: int
    ) -> ScriptCall:
        """Renew a worker's lease, if the worker is still registered so."""
        return self._of_worker(
            "renew_lease",
            worker,
            registration=registration,
            lease_ms=lease_ms,
            tools_ms=tools_ms,
        )

    def remove_worker(
        self, *, worker: str, judged: str, expired: bool, death: str = ""
    ) -> ScriptCall:
        """Remove a worker that is still registered as `judged`; if `expired`, without a lease.

        `death` is what is noted of its death, empty for a worker that ends by itself.
        """
        keys = {
            **self._of_membership(worker),
            "state": self._keys.worker_state(worker),
            "deaths": self._keys.deaths(),
        }
        args: dict[str, Value] = {
            "worker": worker,
            "judged": judged,
            "expired": int(expired),
            "death": death,
        }
        return script("remove_worker").call(keys, args)

    def _of_worker(self, name: str, worker: str, **args: Value) -> ScriptCall:
        own: dict[str, Value] = {"worker": worker}
        return script(name).call(self._of_membership(worker), own | args)

    def _of_membership(self, worker: str) -> dict[str, str]:
        return {
            "alive": self._keys.alive(),
            "lease": self._keys.lease(worker),
            "tools": self._keys.tools(worker),
        }
