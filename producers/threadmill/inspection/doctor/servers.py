"""Examines the Redis server of the store, or of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from threadmill.inspection.doctor.clocks import check_clock
from threadmill.inspection.doctor.exposure import check_password, check_tls_use
from threadmill.inspection.doctor.finding import Finding, worst
from threadmill.inspection.doctor.memory import check_eviction, check_memory
from threadmill.inspection.doctor.persistence import check_disk, check_persistence
from threadmill.inspection.doctor.reachability import NamedServer, unreachable
from threadmill.inspection.doctor.redis_server import (
    check_mode,
    check_rights,
    check_role,
    check_version,
)
from threadmill_shared.records.server_report import ServerReport
from threadmill_shared.servers.failures import Failure, find_failure
from threadmill_shared.servers.url import ServerUrl
from threadmill_shared.store.server_reader import ServerReader, address_of

ANSWER_SECONDS = 3.0
"""How long a connection or an answer may take."""
LIMIT_SECONDS = 10.0
"""How long the whole of it may take."""

Check = Callable[[NamedServer, ServerReport], Finding]
_OF_A_SERVER: tuple[Check, ...] = (
    check_version,
    check_role,
    check_persistence,
    check_disk,
    check_eviction,
    check_memory,
)


async def examine_redis(
    url: str,
    *,
    name: str,
    variable: str,
    tried: Sequence[tuple[Any, ...]],
    clock: Callable[[], float],
) -> list[Finding]:
    """Examine a Redis server; if it cannot be reached, that is the only finding.

    Args:
        url: its URL.
        name: `redis` or `broker`.
        variable: the environment variable that has its URL.
        tried: harmless calls that the user must have a right for.
        clock: this machine's, in seconds since the epoch.

    Raises:
        NotConfigured: the URL cannot be read.
    """
    reader = ServerReader(url, seconds=ANSWER_SECONDS, clock=clock)
    of_url = reader.server
    server = NamedServer(name, variable, address_of(of_url), is_secured=of_url.tls is not None)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await reader.ping()
            reports = await reader.read(tried)
    except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
        return [unreachable(server, find_failure(error), error)]
    finally:
        await reader.close()
    return _findings(server, of_url, reports)


def _findings(server: NamedServer, url: ServerUrl, reports: list[ServerReport]) -> list[Finding]:
    first = reports[0]
    if mode := check_mode(server, first, is_cluster_url=url.kind == "cluster"):
        return [mode]
    if loading := _loading(server, reports):
        return [loading]
    return [
        Finding(f"{server.name}.reachable", "ok", f"{server.address} answers"),
        *(worst(check(server, one) for one in reports) for check in _OF_A_SERVER),
        worst(check_rights(server, one) for one in reports),
        check_password(server, url, first),
        check_tls_use(server, url),
        worst(check_clock(server, one) for one in reports),
    ]


def _loading(server: NamedServer, reports: Iterable[ServerReport]) -> Finding | None:
    if not any(report.is_on("loading", "1") for report in reports):
        return None
    return unreachable(server, Failure("loading", "it is still loading its data"))
