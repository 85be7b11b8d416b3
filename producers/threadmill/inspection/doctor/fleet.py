"""Examines workers, queues and runs."""

from __future__ import annotations

from importlib.metadata import version

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.fleet_workers import (
    check_answers,
    check_clocks,
    check_life,
    check_modules,
    check_versions,
)
from threadmill.inspection.doctor.indexes import check_indexes
from threadmill.inspection.doctor.queues import check_consumers, check_waits
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.doctor.stuck_runs import (
    check_approvals,
    check_holders,
    check_outputs,
    check_overdue,
)
from threadmill.inspection.doctor.tool_threads import check_tool_threads
from threadmill.inspection.write_refusal import WriteRefusal

_CHECKS = (
    check_life,
    check_answers,
    check_modules,
    check_tool_threads,
    check_clocks,
    check_consumers,
    check_waits,
    check_overdue,
    check_holders,
    check_outputs,
    check_approvals,
    check_indexes,
)


_STORED = ("runs.approvals",)
"""What does not depend on what workers write again and again."""
_KNOWN = ("workers.alive",)
"""The same, if it is well: a full Redis lets leases be renewed."""


def examine_fleet(reading: FleetReading) -> list[Finding]:
    """All findings about a fleet but for its model providers.

    While Redis refuses writes, no conclusion is drawn from what workers have written down, or have
    not: they cannot.
    """
    found = [check(reading) for check in _CHECKS]
    found.append(check_versions(reading, version("threadmill")))
    refusal = reading.fleet.write_refusal
    return found if refusal is None else [_unknown(one, refusal) for one in found]


def _unknown(found: Finding, refusal: WriteRefusal) -> Finding:
    is_known = found.name in _KNOWN and found.state == "ok"
    if is_known or found.name in _STORED:
        return found
    return Finding(found.name, "skipped", f"not known: {refusal.cause}; workers cannot write")
