"""Whether a Redis server keeps its data across a restart, and whether it can write to its disk."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer
from threadmill_shared.records.server_report import ServerReport

_AOF = "redis-cli CONFIG SET appendonly yes, and `appendonly yes` in redis.conf"
_FAILED = {
    "aof_last_write_status": "its last write to the append-only file failed",
    "rdb_last_bgsave_status": "its last snapshot failed",
    "aof_last_bgrewrite_status": "its last rewrite of the append-only file failed",
}


def check_persistence(server: NamedServer, report: ServerReport) -> Finding:
    """Whether a restart of the server loses data."""
    name = f"{server.name}.persistence"
    if "aof_enabled" not in report.info:
        return Finding(name, "skipped", "the server does not tell whether it persists (INFO)")
    if int(report.info["aof_enabled"]):
        policy = report.config.get("appendfsync", "unknown")
        if policy == "no":
            return Finding(
                name,
                "warning",
                "the append-only file is written when the system likes (appendfsync no)",
                "redis-cli CONFIG SET appendfsync everysec",
            )
        return Finding(name, "ok", f"append-only file, appendfsync {policy}")
    return _without_file(name, report)


def _without_file(name: str, report: ServerReport) -> Finding:
    """The finding for a server without an append-only file."""
    if "save" not in report.config:
        return Finding(
            name,
            "warning",
            "there is no append-only file, and CONFIG GET is forbidden: nobody knows whether there "
            "are snapshots",
            "Turn the append-only file on (a managed service has a setting for it).",
        )
    if report.config["save"]:
        return Finding(
            name,
            "warning",
            f"only snapshots (save {report.config['save']}): a crash loses all since the last one",
            f"Turn the append-only file on: {_AOF}.",
        )
    return Finding(
        name,
        "error",
        "neither append-only file nor snapshots: a restart of the server loses every thread",
        f"Turn the append-only file on: {_AOF}.",
    )


def check_disk(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the server could write to its disk the last time that it tried."""
    name, info = f"{server.name}.disk", report.info
    if "rdb_last_bgsave_status" not in info:
        return Finding(name, "skipped", "the server does not tell whether it could write (INFO)")
    failed = [words for field, words in _FAILED.items() if info.get(field, "ok") != "ok"]
    if not failed:
        return Finding(name, "ok", "its last writes succeeded")
    refuses = report.config.get("stop-writes-on-bgsave-error", "yes") == "yes"
    effect = "; it may refuse all writes (MISCONF)" if refuses else ""
    return Finding(
        name,
        "error",
        f"{'; '.join(failed)}{effect}",
        "Free space on the server's disk (df -h), and see its log and the rights of its folder; "
        "then redis-cli BGSAVE.",
    )
