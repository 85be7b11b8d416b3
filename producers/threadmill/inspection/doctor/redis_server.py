"""Whether a Redis server is one that threadmill can use: its version, role and user's rights."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer
from threadmill_shared.records.server_report import ServerReport
from threadmill_shared.store.server import OLDEST_SERVER

_OLDEST = ".".join(map(str, OLDEST_SERVER))
_SHOWN_COMMANDS = 5
_OWNERS = {"redis": "threadmill's and Celery's", "broker": "Celery's"}


def check_version(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the server is new enough."""
    name = f"{server.name}.version"
    version = str(report.info.get("redis_version", ""))
    numbers = version.split(".")[:2]
    if not all(number.isdigit() for number in numbers):
        return Finding(name, "skipped", "the server does not tell its version (INFO)")
    product = f"Redis {version}"
    if valkey := report.info.get("valkey_version"):
        product = f"Valkey {valkey}"
    if tuple(map(int, numbers)) < OLDEST_SERVER:
        return Finding(
            name,
            "error",
            f"{product} is too old",
            f"Upgrade the server to {_OLDEST} or newer.",
        )
    return Finding(name, "ok", product)


def check_role(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the server takes writes, and whether its replicas follow it."""
    name, info = f"{server.name}.replication", report.info
    if not info:
        return Finding(name, "skipped", "the server does not tell its role (INFO)")
    if info.get("role") == "slave":
        primary = f"{info.get('master_host')}:{info.get('master_port')}"
        return Finding(
            name,
            "error",
            f"{report.address} is a replica of {primary}, which takes no writes",
            f"Name the primary in {server.variable} ({primary}), or use redis+sentinel://.",
        )
    replicas = [info[f"slave{n}"] for n in range(int(info.get("connected_slaves", 0)))]
    late = [one for one in replicas if not _is_online(one)]
    if late:
        return Finding(
            name,
            "warning",
            f"{len(late)} of {len(replicas)} replicas are not in sync",
            "See what the replica logs; until it is online, tool calls wait for it.",
        )
    count = f"{len(replicas)} replicas, all online" if replicas else "a primary without replicas"
    return Finding(name, "ok", count)


def _is_online(replica: object) -> bool:
    return isinstance(replica, dict) and replica.get("state") == "online"


def check_mode(
    server: NamedServer, report: ServerReport, *, is_cluster_url: bool
) -> Finding | None:
    """Whether a URL for one server leads to a node of a Cluster; None: all is well."""
    if is_cluster_url or not report.is_on("redis_mode", "cluster"):
        return None
    return Finding(
        f"{server.name}.mode",
        "error",
        f"{report.address} is a node of a Cluster, and the URL is for a single server",
        f"Begin {server.variable} with redis+cluster://; Celery needs a broker of its own "
        "(THREADMILL_BROKER_URL).",
    )


def check_rights(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the user has the rights that threadmill needs."""
    name = f"{server.name}.rights"
    if not report.forbidden:
        return Finding(name, "ok", "the user has the rights that threadmill needs")
    shown = ", ".join(report.forbidden[:_SHOWN_COMMANDS])
    left = len(report.forbidden) - _SHOWN_COMMANDS
    more = f" and {left} more" if left > 0 else ""
    return Finding(
        name,
        "error",
        f"the user has no right for {shown}{more}, or not for {_OWNERS[server.name]} keys and "
        "channels",
        "Give them: redis-cli ACL SETUSER NAME '~*' '&*' +@all -@admin +info '+config|get' "
        "'+client|list' (docs/doctor.md#rights).",
    )
