"""What operations need is imported at the first one, and event loops continue meanwhile.

It takes a few tenths of a second, for Redis's client above all. A service whose first call is
awaited would answer nobody for so long.
"""

from __future__ import annotations

import asyncio
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
        imported: Future[None] = Future()
        threading.Thread(target=_import, args=(imported,), name="threadmill-imports").start()
        await asyncio.wrap_future(imported)
        _is_imported = True


def _import(imported: Future[None]) -> None:
    imported.set_running_or_notify_cancel()  # if its caller is cancelled, others still wait for it
    try:
        with many_imports():
            import_module(_CLIENT)
    except BaseException as error:  # noqa: BLE001  it is raised by whoever waits
        imported.set_exception(error)
    else:
        imported.set_result(None)
