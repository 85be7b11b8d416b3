"""The names of a namespace's queues, and of the tasks that go through them."""

from __future__ import annotations

import re
from dataclasses import dataclass

EXECUTE = "threadmill.execute"
PROBE = "threadmill.probe"
PING = "threadmill.ping"
SAY = "threadmill.say"
RUN = "threadmill.run"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The name of an assistant's queue, without the namespace."""
_TAKEN = re.compile(r"begun|door|process-.*")
"""Names of queues that a namespace has anyway."""


def check_queue_name(name: str) -> str:
    """Reject what cannot be the name of an assistant's queue, without the namespace.

    Raises:
        ValueError: it has other characters, is too long, or is a name that threadmill uses itself.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a queue's name has 1 to 64 letters, digits, '_' or '-'")
    if _TAKEN.fullmatch(name):
        raise ValueError("threadmill uses this queue itself: choose another name")
    return name


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
