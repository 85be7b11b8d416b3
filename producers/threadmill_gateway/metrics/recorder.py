"""What the rest of a gateway says to its metrics; it does not know Prometheus."""

from __future__ import annotations

from collections.abc import Callable


class MetricsRecorder:
    """Takes note of what happens in a gateway. This one forgets it: metrics are off.

    Every method is called on the event loop, and must cost next to nothing. Times are in seconds.
    """

    def watch(self, *, requests: Callable[[], int], streams: Callable[[], int]) -> None:
        """Name what counts the requests and streams that are served now."""

    def note_request(self, call: str, status: int, seconds: float) -> None:
        """Take note of an answer.

        Args:
            call: method and path of the API's call, without ids.
            status: of HTTP; 0: the client had gone before there was one.
            seconds: until the answer's beginning, which of a poll may be kept back.
        """

    def note_round_trip(self, seconds: float) -> None:
        """Take note of how long the store has taken to answer."""
