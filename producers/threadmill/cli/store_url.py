"""Which Redis a command talks to."""

from __future__ import annotations

import os
from pathlib import Path


def use_store() -> None:
    """Let this process use THREADMILL_REDIS_URL, else the embedded server of the current folder.

    A command has no functions of its own, so it is a producer there and starts no worker.

    Raises:
        NotConfigured: there is neither.
    """
    from threadmill.embedded.server import FOLDER, ensure_server
    from threadmill_shared.errors import NotConfigured
    from threadmill_shared.settings import load_settings

    settings = load_settings()
    if settings.redis_url is not None:
        return
    folder = Path.cwd() / FOLDER
    if not settings.embedded or not folder.is_dir():
        raise NotConfigured(
            "THREADMILL_REDIS_URL is not set, and no embedded server has been used in this folder. "
            "Set it to your Redis, or begin here with: threadmill dev MODULE"
        )
    os.environ["THREADMILL_REDIS_URL"] = ensure_server(folder)
    load_settings.cache_clear()
