"""What happens with a run's events while a caller waits: by default they are printed.

`dispatcher` turns a run's events into the calls of a handler's hooks; `snapshots` puts together
what the hooks are given. A handler is of our own `base` class, or of one of the openai package's
(`openai_package`). `session` makes it, calls it, and keeps what it raises; `follow`
feeds it.
"""

from threadmill.handlers.base import EventHandler
from threadmill.handlers.printing import PrintHandler

__all__ = ["EventHandler", "PrintHandler"]
