"""What a user sees: messages and tool calls, live in a terminal, in plain lines elsewhere.

`run_printer` turns a run's events into *cards* (a message, the calls of a step). A *sheet* shows
them: `panels` on a terminal, `lines` elsewhere. Below panels lies the `screen`, which repaints what
has changed; below both the `outlet`, which never raises.
"""

from threadmill.printing.pretty import pprint_messages, pprint_run, pprint_steps
from threadmill.printing.run_printer import RunPrinter

__all__ = ["RunPrinter", "pprint_messages", "pprint_run", "pprint_steps"]
