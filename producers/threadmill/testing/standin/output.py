"""What the answers of the two APIs have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from threadmill.testing.standin.sse import Frame


class Output(Protocol):
    """One reply, in the form of one API."""

    def frames(self) -> Iterator[Frame]:
        """The stream, event by event."""
        ...

    def whole(self) -> bytes:
        """The answer to a request that does not stream."""
        ...

    def failed(self, code: str, message: str) -> bytes:
        """The event that ends a stream as failed, to be sent after some of its frames."""
        ...

    def error(self, code: str, message: str) -> bytes:
        """The event that reports an error of the stream."""
        ...
