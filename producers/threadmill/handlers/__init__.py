"""What happens with a run's events while a caller waits: by default they are printed.

`dispatcher` turns a run's events into the calls of a handler's hooks; `snapshots` puts together
what the hooks are given. A handler is of our own `base` class, or of one of the openai package's
(`openai_package`). `session` makes it, calls it, and keeps what it raises; `follow`
feeds it.

Names and modules are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import lazy_names

if TYPE_CHECKING:
    from threadmill.handlers import follow
    from threadmill.handlers.base import EventHandler
    from threadmill.handlers.printing import PrintHandler

__all__ = ["EventHandler", "PrintHandler", "follow"]

if not TYPE_CHECKING:  # a type checker that saw this would take every name for one of ours
    __getattr__ = lazy_names(
        __name__,
        {
            "EventHandler": "threadmill.handlers.base",
            "PrintHandler": "threadmill.handlers.printing",
            "follow": "threadmill.handlers.follow",
        },
    )
