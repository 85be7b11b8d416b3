"""What operations need is imported at the first one, and event loops continue meanwhile.

It takes a few tenths of a second, for Redis's client above all. A service whose first call is
awaited would answer nobody for so long.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Future
from importlib import import_module

from threadmill_shared.lazy_imports import many_imports

_CLIENT = "threadmill.client.client"

_is_imported = False


async def import_client() -> None:
    """Import the client, in a thread of its own if that was not done before."""
    global _is_imported  # noqa: PLW0603  one per process
    if not _is_imported:
        if not _is_loaded():
            imported: Future[None] = Future()
            threading.Thread(target=_import, args=(imported,), name="threadmill-imports").start()
            await asyncio.wrap_future(imported)
        _is_imported = True


def _is_loaded() -> bool:
    """Whether a call that was not awaited has imported it, to the end.

    Python may start no thread any more, in an `atexit` handler for one.
    """
    spec = getattr(sys.modules.get(_CLIENT), "__spec__", None)
    return spec is not None and not getattr(spec, "_initializing", False)


def _import(imported: Future[None]) -> None:
    is_awaited = imported.set_running_or_notify_cancel()
    try:
        with many_imports():
            import_module(_CLIENT)
    except BaseException as error:  # noqa: BLE001  it is raised by whoever waits
        if is_awaited:
            imported.set_exception(error)
    else:
        if is_awaited:
            imported.set_result(None)
