"""What is done with a run's events while a caller waits: printing, by default."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from threadmill.printing import RunPrinter
from threadmill_shared import errors
from threadmill_shared.events import Event

if TYPE_CHECKING:
    from threadmill.run import Run

logger = logging.getLogger("threadmill")


class EventHandler:
    """Is given each event of a run, in order, in the caller's thread. Derive and override."""

    def begin(self, run: Run) -> None:
        """The run was enqueued; its events follow."""

    def on_event(self, event: Event) -> None:
        """One event."""

    def start_anew(self, reason: errors.LogRewound) -> None:
        """A failover lost some of the events that were given; all follow again, from the first."""
        logger.warning("%s It is followed anew.", reason)

    def end(self) -> None:
        """No event follows: the run has ended, or the caller stopped waiting."""


class PrintHandler(EventHandler):
    """Prints messages and tool calls as they are made: live in a terminal, else in plain lines."""

    def __init__(self, *, print_messages: bool = True, print_steps: bool = True) -> None:
        """A handler for one run.

        Args:
            print_messages: whether what is said is printed.
            print_steps: whether tool calls are printed.
        """
        self._printer = RunPrinter(print_messages=print_messages, print_steps=print_steps)

    def begin(self, run: Run) -> None:
        """Print the user's message."""
        self._printer.begin(run)

    def on_event(self, event: Event) -> None:
        """Print what the event adds."""
        self._printer.show(event)

    def start_anew(self, reason: errors.LogRewound) -> None:  # noqa: ARG002  it names the run only
        """Print a line that says so, and the answer from its beginning."""
        self._printer.start_anew()

    def end(self) -> None:
        """Leave the terminal as it is to stay."""
        self._printer.end()
