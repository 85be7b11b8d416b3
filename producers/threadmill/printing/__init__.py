"""What a user sees: messages and tool calls, live in a terminal, otherwise as plain lines.

`run_printer` turns a run's events into *cards* (a message, the calls of a step). A *display*
shows them: `terminal_display` as panels, `plain_display` as lines. Panels are painted on the
`screen`, which repaints what has changed; both write through `stream_writer`, which never raises.

Names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_names

if TYPE_CHECKING:
    from threadmill.printing.pretty import pprint_messages, pprint_run, pprint_steps
    from threadmill.printing.run_printer import RunPrinter

__all__ = ["RunPrinter", "pprint_messages", "pprint_run", "pprint_steps"]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "RunPrinter": "threadmill.printing.run_printer",
            "pprint_messages": "threadmill.printing.pretty",
            "pprint_run": "threadmill.printing.pretty",
            "pprint_steps": "threadmill.printing.pretty",
        },
    )
