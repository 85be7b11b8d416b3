"""Whether somebody takes the runs of each queue, and soon enough."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.queues import QueueView
from threadmill_shared.broker.queues import Queues

LATE_SECONDS = 60.0
"""A queued run that waits for longer waits too long."""


def check_consumers(reading: FleetReading) -> Finding:
    """Whether each queue with runs has a worker."""
    name, queues = "queues.consumed", reading.fleet.queues
    alone = [one for one in queues if one.runs and not one.workers]
    if not alone:
        return Finding(name, "ok", "each queue with runs has a worker")
    cause = f"no worker takes the runs of {_list(alone)}"
    return Finding(name, "error", cause, _cure(alone[0].name, reading.fleet.namespace))


def _cure(name: str, namespace: str) -> str:
    """How a queue gets a worker."""
    queue = name.removesuffix(".begun").removeprefix(f"{namespace}.")
    if Queues(namespace).is_embedded(name):
        return "A script with a worker of its own has enqueued them: run a script there again."
    option = "" if queue == namespace else f" --queue {queue}"
    return f"Start one: threadmill worker{option} MODULE."


def check_waits(reading: FleetReading) -> Finding:
    """Whether queued runs are taken soon."""
    name, queues = "queues.waiting", reading.fleet.queues
    late = [one for one in queues if one.workers and (one.oldest_seconds or 0) > LATE_SECONDS]
    if not late:
        return Finding(name, "ok", f"no run has waited for more than {LATE_SECONDS:g} s")
    fleet = reading.fleet
    return Finding(
        name,
        "warning",
        f"runs wait for a slot: {_list(late)}; {fleet.slots.used} of {fleet.slots.total} slots are "
        "used",
        "Start more workers, or raise THREADMILL_CONCURRENCY; if slots are free, see the workers' "
        "logs and the broker.",
    )


def _list(queues: Sequence[QueueView]) -> str:
    return ", ".join(
        f"{one.name} ({one.runs}, the oldest for {one.oldest_seconds or 0:.0f} s)" for one in queues
    )
