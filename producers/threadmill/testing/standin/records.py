"""What the stand-in remembers of the requests that it got."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill.testing.standin.conversation import Api


@dataclass(slots=True)
class Record:
    """One request, and how its answer went; filled in while it goes.

    Times are `time.monotonic()`, which on Linux is one clock for all processes of a machine.
    """

    api: Api
    begun_at: float = field(default_factory=time.monotonic)
    """When the request's head had arrived."""
    body: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    user_text: str = ""
    """Text of the user's last message."""
    status: int | None = None
    """The HTTP status that was answered; None as long as none was."""
    token_times: list[float] = field(default_factory=list)
    """When each token was written."""
    ended_at: float | None = None
    """When the answer's last bytes were written, or it was broken off. Never later than the next
    request of a client that waits for those bytes."""
    closed_at: float | None = None
    """When the client was seen to have closed the connection before the answer's end."""
    refused_by: str | None = None
    """The name of the rule that the request breaks."""
    error: BaseException | None = None
    """What the brain raised."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The body's `input` (Responses) or `messages` (Chat Completions)."""
        said = self.body.get("input" if self.api == "responses" else "messages", [])
        return [{"role": "user", "content": said}] if isinstance(said, str) else list(said)

    @property
    def closed_early(self) -> bool:
        """Whether the client left before the answer's end."""
        return self.closed_at is not None

    def end(self) -> None:
        """Note the end of the answer, unless it has ended already."""
        if self.ended_at is None:
            self.ended_at = time.monotonic()

    def close(self) -> None:
        """Note that the client left, unless the answer has ended already."""
        if self.ended_at is None:
            self.ended_at = self.closed_at = time.monotonic()


class RecordLog:
    """The newest records; written by the server's thread, read by any."""

    def __init__(self, size: int) -> None:
        self._records: deque[Record] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        """Append a record, and forget the oldest if there are too many."""
        with self._lock:
            self._records.append(record)

    def all(self) -> list[Record]:
        """The records, oldest first."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._records.clear()
