"""The client of this process, made at its first use.

What it needs, Redis's client above all, is imported then: many who import `threadmill` define
assistants only. Except for `concurrent.futures.thread`: Redis's client imports it, too, and a
process that ends cannot do so any more, but a user's `atexit` handler may be the first that
enqueues.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  see above
import os
import threading
from typing import TYPE_CHECKING

from threadmill_shared.lazy_imports import many_imports

if TYPE_CHECKING:
    from threadmill.client.client import Client
    from threadmill_shared.settings import Settings

_current: Client | None = None
_lock = threading.Lock()
_inherited: list[Client] = []
"""Of the processes that this one was forked from."""


def current_client() -> Client:
    """This process's client, made at the first call.

    Raises:
        NotConfigured: there is no Redis URL, and no embedded server may be started.
    """
    global _current  # noqa: PLW0603  one per process
    with _lock:
        if _current is None:
            _current = _make_client()
        return _current


def close_client() -> None:
    """Close this process's client; the next use creates a new one and reads the settings again."""
    global _current
    with _lock:
        client, _current = _current, None
    if client is not None:
        client.close()
    from threadmill_shared.settings import load_settings  # noqa: PLC0415  see above

    load_settings.cache_clear()


def current_settings() -> Settings:
    """The settings of this process.

    Raises:
        NotConfigured: an environment variable has an invalid value.
    """
    from threadmill_shared.settings import load_settings  # noqa: PLC0415  see above

    return load_settings()


def _make_client() -> Client:
    settings, own_worker = current_settings(), None
    if settings.redis_url is None and settings.embedded:
        from threadmill.embedded import worker  # noqa: PLC0415  only if it is in use

        settings, own_worker = worker.begin(settings)
    with many_imports():
        from threadmill.client.client import Client  # noqa: PLC0415  see above

    return Client(settings, own_worker)


def _forget_after_fork() -> None:
    # A child has none of its parent's threads, and must not touch its connections. It keeps them,
    # since collecting them would run what their pending tasks have to do at their end.
    global _current, _lock  # noqa: PLW0603  one per process
    if _current is not None:
        _inherited.append(_current)
    _current = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
