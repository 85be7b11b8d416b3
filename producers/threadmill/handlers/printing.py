"""The handler that prints."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import threadmill
from threadmill import printing, runs
from threadmill.client.current import current_client
from threadmill.client.operations import drive_async
from threadmill.handlers.base import EventHandler

_FOLDER = Path(".threadmill") / "files"
"""In the current folder; each run has a folder of its own there."""


class PrintHandler(EventHandler):
    """Prints messages and tool calls as they arrive: live in a terminal, else as plain lines."""

    def __init__(self, *, print_messages: bool = True, print_steps: bool = True) -> None:
        """A handler for one run.

        Args:
            print_messages: whether messages are printed.
            print_steps: whether tool calls are printed.
        """
        self._prints_messages = print_messages
        self._printer = printing.RunPrinter(
            print_messages=print_messages, print_steps=print_steps, is_local=self._is_local
        )

    def on_begin(self, run: threadmill.Run) -> None:
        """Print the user's message."""
        self._printer.begin(run)

    def on_event(self, event: threadmill.Event) -> None:
        """Print what the event adds."""
        self._printer.show(event)

    def on_message_done(self, message: Any) -> Coroutine[Any, Any, None] | None:
        """Download the files that go with the message, and print links to them."""
        if not message.attachments or not self._prints_messages:
            return None
        return drive_async(self._show_files(message.to_dict()))

    def on_rewound(self, reason: threadmill.errors.LogRewound) -> None:  # noqa: ARG002  it names the run only
        """Print a line about it, and the answer from its beginning."""
        self._printer.restart()

    def on_end(self) -> None:
        """Leave the terminal in its final state."""
        self._printer.end()

    async def _show_files(self, message: dict[str, Any]) -> None:
        run_id = message["run_id"]
        for attachment in message["attachments"]:
            file = await runs.downloads.download_attachment(
                current_client(), run_id, attachment, _FOLDER / run_id
            )
            if file is not None:
                self._printer.show_file(file)

    def _is_local(self, tool: str) -> bool:
        return self.__dispatcher__ is not None and tool in self.__dispatcher__.local_tools
