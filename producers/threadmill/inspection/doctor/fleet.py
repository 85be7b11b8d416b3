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


def examine_fleet(reading: FleetReading) -> list[Finding]:
    """All findings about a fleet but for its model providers."""
    found = [check(reading) for check in _CHECKS]
    return [*found, check_versions(reading, version("threadmill"))]
