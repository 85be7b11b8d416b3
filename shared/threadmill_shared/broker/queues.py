"""The names of a namespace's queues, and of the tasks that go through them."""

from __future__ import annotations

from dataclasses import dataclass

EXECUTE = "threadmill.execute"
PROBE = "threadmill.probe"
PING = "threadmill.ping"
SAY = "threadmill.say"
RUN = "threadmill.run"


@dataclass(frozen=True)
class Queues:
    """The names of a namespace's queues."""

    namespace: str

    @property
    def common(self) -> str:
        """Runs that have not begun."""
        return self.namespace

    @property
    def begun(self) -> str:
        """Runs of the common queue that had begun: reclaimed, yielded or resumed."""
        return self.of_begun(self.common)

    @property
    def door(self) -> str:
        """Requests of services without this package."""
        return f"{self.namespace}.door"

    def knows(self, name: str) -> bool:
        """Whether it is the name of one of them."""
        return name == self.common or name.startswith(f"{self.namespace}.")

    def own(self, name: str | None) -> str:
        """The queue of an assistant or a process with a queue of its own; None: the common one."""
        return f"{self.namespace}.{name}" if name else self.common

    def embedded(self, name: str) -> str:
        """The queue of an embedded worker, the only one that it consumes."""
        return self.own(f"process-{name}")

    def of_begun(self, queue: str) -> str:
        """The queue for runs of this queue that have begun; an embedded worker has only one.

        Each queue has one of its own: its workers may have another provider than those of others.
        """
        return queue if self.is_embedded(queue) else f"{queue}.begun"

    def is_embedded(self, queue: str) -> bool:
        """Whether it is the queue of an embedded worker."""
        return queue.startswith(self.embedded(""))
