"""Whether a Redis server has room, and does not evict keys."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer
from threadmill_shared.records.server_report import FULL_SHARE, ServerReport

_SCARCE_SHARE = 0.75
"""Share of the room from which on somebody should act."""
_LARGEST_SHARE = 10
"""A larger share is not said in percent: the setting is absurdly small."""
_MIB = 1024 * 1024


def check_eviction(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the server would evict keys if it is full: leases and threads among them."""
    name = f"{server.name}.eviction"
    policy = report.info.get("maxmemory_policy")
    if policy is None:
        return Finding(name, "skipped", "the server does not tell its maxmemory-policy (INFO)")
    if policy != "noeviction":
        return Finding(
            name,
            "error",
            f"maxmemory-policy is {policy}: a full server would delete threads and leases",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.",
        )
    return Finding(name, "ok", "maxmemory-policy noeviction")


def check_memory(server: NamedServer, report: ServerReport) -> Finding:
    """How much room is left."""
    name, info = f"{server.name}.memory", report.info
    if "used_memory" not in info:
        return Finding(name, "skipped", "the server does not tell its memory (INFO)")
    used, limit = int(info["used_memory"]), int(info.get("maxmemory", 0))
    total = int(info.get("total_system_memory", 0))
    if not limit:
        return _without_limit(name, used, total)
    share = used / limit
    part = f"{share:.0%}" if share <= _LARGEST_SHARE else "more than all"
    found = f"{part} of maxmemory is used ({_mib(used)} of {_mib(limit)})"
    cure = (
        "Raise it (redis-cli CONFIG SET maxmemory 4gb, and in redis.conf), or delete threads, or "
        "shorten THREADMILL_RUN_DAYS and THREADMILL_LOG_SECONDS."
    )
    if share >= FULL_SHARE:
        return Finding(name, "error", f"{found}: no new runs are accepted", cure)
    if share >= _SCARCE_SHARE:
        refused = f"at {FULL_SHARE:.0%} no new runs are accepted"
        return Finding(name, "warning", f"{found}; {refused}", cure)
    return Finding(name, "ok", found)


def _without_limit(name: str, used: int, total: int) -> Finding:
    of = f" of the {_mib(total)} that its machine has" if total else ""
    return Finding(
        name,
        "error" if total and used / total >= FULL_SHARE else "warning",
        f"maxmemory is not set, and {_mib(used)}{of} are used: a system without memory kills Redis",
        "redis-cli CONFIG SET maxmemory 1gb, and the same in redis.conf.",
    )


def _mib(size: int) -> str:
    return f"{size / _MIB:,.0f} MiB" if size >= _MIB else f"{size / 1024:,.0f} KiB"
