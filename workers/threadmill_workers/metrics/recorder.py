"""What the rest of a worker says to its metrics; it does not know Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from threadmill_shared.model import Usage
from threadmill_shared.records.run import RunRecord, Status
from threadmill_shared.records.waiting import WaitingRuns

REFUSED_OUTCOMES = ("wrong_key", "no_right", "no_quota", "no_model", "refused")
"""Why a provider does not take a request; `refused`: it does not take what was sent."""
FAILED_OUTCOMES = ("rate_limited", "unavailable", "garbled", "too_long", *REFUSED_OUTCOMES)
"""How a model request ends that the provider does not answer."""
REQUEST_OUTCOMES = ("answered", *FAILED_OUTCOMES, "interrupted")
RECOVERY_CAUSES = ("connection", "lease", "not_executed", "lost_message")
"""Why a run has to be put right."""


class MetricsRecorder:
    """Takes note of what happens in a worker. This one forgets it: metrics are off.

    Every method is called on the event loop, and must cost next to nothing. Times are in seconds.
    """

    is_on = False
    """Whether it is worth measuring what is only measured for it."""
    address: str | None = None
    """`HOST:PORT` at which Prometheus reads what is counted; None: nowhere."""

    def note_claim(self, waited: float | None) -> None:
        """Take note that this worker has claimed a run; None: how long it waited is not known."""

    def note_end(self, record: RunRecord, status: Status, seconds: float) -> None:
        """Take note of a run's end, which this worker reports.

        Args:
            record: the run.
            status: how it has ended.
            seconds: since its first claim.
        """

    def note_request(self, model: str, outcome: str) -> None:
        """Take note of how a model request has ended: one of `REQUEST_OUTCOMES`."""

    def note_first_piece(self, seconds: float) -> None:
        """Take note of how long after a request the first piece of its answer came."""

    def note_tokens(self, model: str, usage: Usage) -> None:
        """Take note of the tokens of an answer."""

    def note_retry(self, reason: str) -> None:
        """Take note that a model request is sent again, and of how the one before has ended."""

    def note_turn(self, seconds: float) -> None:
        """Take note of how long the model has taken for a turn, its retries included."""

    def note_tool_call(self, tool: str, outcome: str, seconds: float) -> None:
        """Take note of how a tool call has ended here, and how long it has taken."""

    def note_recovery(self, cause: str, seconds: float | None) -> None:
        """Take note of a run that was put right.

        Args:
            cause: one of `RECOVERY_CAUSES`.
            seconds: since the worker that held it was last known to live; None: it is not dead.
        """

    def watch_provider(self, host: str, condition: Callable[[], str]) -> None:
        """Name the model provider, and what tells a `ProviderCondition` in any thread."""

    def note_fleet(
        self, waiting: WaitingRuns | None, workers: Mapping[str, int], until: float
    ) -> None:
        """Take note of the whole fleet.

        Args:
            waiting: how many runs wait; None: another worker counts for the fleet.
            workers: how many are registered, by whether they are `alive` or `silent`.
            until: the time of `time.monotonic` from which on another worker may count.
        """

    def note_round_trip(self, seconds: float) -> None:
        """Take note of how long the store has taken to answer."""

    def note_loop_lag(self, seconds: float) -> None:
        """Take note of how late the event loop was."""
