"""Whether the clocks of the server and of this machine agree."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer
from threadmill_shared.records.server_report import ServerReport

TOLERATED_SECONDS = 2.0


def check_clock(server: NamedServer, report: ServerReport) -> Finding:
    """Whether the server's clock and this machine's agree."""
    name, offset = f"{server.name}.clock", report.clock_offset
    if offset is None:
        return Finding(name, "skipped", "the server does not tell its time (TIME)")
    if abs(offset) - report.clock_error <= TOLERATED_SECONDS:
        return Finding(name, "ok", f"within {TOLERATED_SECONDS:g} s of this machine's")
    way = "ahead of" if offset > 0 else "behind"
    return Finding(
        name,
        "warning",
        f"the server's clock is {abs(offset):.0f} s {way} this machine's: times in logs do not "
        "match, and TLS and the provider may refuse a wrong one",
        "Synchronise both with NTP: timedatectl set-ntp true; timedatectl says which one is wrong.",
    )
