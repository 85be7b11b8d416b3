"""`python -m threadmill_workers.health`: does a worker of this host have a live lease?

For a container's health check: exits with 0 if so, else with 1 and a line that says what is wrong.
"""

from __future__ import annotations

import asyncio
import sys

from threadmill_shared.errors import ThreadmillError
from threadmill_shared.records.workers import host_name
from threadmill_shared.settings import load_settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store


async def _workers_here() -> int:
    settings = load_settings()
    client = connect(settings.store_url())
    try:
        workers = await Store(client, settings.namespace).workers.alive()
    finally:
        await client.aclose()
    return sum(worker.worker.rpartition(":")[0] == host_name() for worker in workers)


def check_workers() -> None:
    """Look once."""
    try:
        found = asyncio.run(_workers_here())
    except ThreadmillError as error:
        sys.exit(f"unhealthy: {error}")
    if not found:
        sys.exit("unhealthy: no worker of this host has a lease")


main = check_workers
"""The former name, by which others may import it."""


if __name__ == "__main__":
    check_workers()
