"""What a user sees: messages and tool calls, live in a terminal, otherwise as plain lines.

`run_printer` turns a run's events into *cards* (a message, the calls of a step). A *display*
shows them: `terminal_display` as panels, `plain_display` as lines. Panels are painted on the
`screen`, which repaints what has changed; both write through `stream_writer`, which never raises.
"""

from threadmill.printing.pretty import pprint_messages, pprint_run, pprint_steps
from threadmill.printing.run_printer import RunPrinter

__all__ = ["RunPrinter", "pprint_messages", "pprint_run", "pprint_steps"]
