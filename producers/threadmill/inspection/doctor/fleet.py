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
from threadmill.inspection.fleet import ProviderView

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
    """All findings about a fleet."""
    found = [check(reading) for check in _CHECKS]
    fleet = reading.fleet
    providers = [_provider(one, fleet.now) for one in fleet.providers]
    return [*found, check_versions(reading, version("threadmill")), *providers]


def _provider(found: ProviderView, now: float) -> Finding:
    """Whether the workers' provider answers their requests."""
    name, host = "provider.workers", f"{found.host or 'a model'} ({found.api})"
    if found.state != "failing":
        return Finding(name, "ok", f"{host}: {found.state} for the workers")
    return Finding(
        name,
        "error",
        f"{host} fails for {found.failing_workers} of {found.workers} workers: {found.cause}"
        f"{found.age_of_failure(now)}",
        "A wrong key: OPENAI_API_KEY of the workers. No quota: the account. A wrong model: "
        "THREADMILL_MODEL or the assistant's. Otherwise wait; runs are retried.",
    )
