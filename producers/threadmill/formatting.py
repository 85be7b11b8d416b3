"""Where Marvin's scripts import the printing of finished things from; `threadmill` has it too."""

from threadmill.printing import pprint_messages, pprint_run, pprint_steps

__all__ = ["pprint_messages", "pprint_run", "pprint_steps"]
