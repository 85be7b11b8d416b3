"""Whether workers are alive and answer, have one version, and have the assistants' tools."""

from __future__ import annotations

from collections.abc import Iterable

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.workers import WorkerView
from threadmill_shared.broker.queues import Queues
from threadmill_shared.log_text import counted
from threadmill_shared.records.definition import Definition

_SHOWN = 3
_NO_VERSION = "0.1.0 or older"
"""What a worker is that does not write its state."""


def check_life(reading: FleetReading) -> Finding:
    """Whether any worker is alive."""
    name, fleet = "workers.alive", reading.fleet
    if reading.live and not any(one.takes_runs for one in reading.live):
        return Finding(
            name,
            "error",
            f"no worker takes runs: {_workers(reading.live)} "
            f"{_do(reading.live, 'was', 'were')} told to end",
            "Wait if others are being started; otherwise start one: threadmill worker MODULE.",
        )
    if reading.live:
        embedded = [one for one in reading.live if _is_embedded(one, fleet.namespace)]
        more = f", {len(embedded)} of them embedded in scripts" if embedded else ""
        return Finding(name, "ok", f"{counted(len(reading.live), 'worker')}{more}")
    queued = fleet.runs.queued
    waiting = f"; {counted(queued, 'run')} queued" if queued else ""
    return Finding(
        name,
        "error",
        f"no worker is alive in namespace {fleet.namespace}{waiting}",
        "Start one: threadmill worker MODULE, with the same THREADMILL_REDIS_URL and "
        "THREADMILL_NAMESPACE; if it runs, see its log.",
    )


def check_answers(reading: FleetReading) -> Finding:
    """Whether all registered workers answer."""
    name = "workers.answering"
    silent = [one for one in reading.fleet.workers if one.condition == "silent"]
    blocked = [one for one in reading.fleet.workers if one.condition == "blocked"]
    if silent:
        return Finding(
            name,
            "warning" if reading.live else "error",
            f"{_workers(silent)} {_do(silent, 'has', 'have')} no lease: killed, frozen or cut off"
            f"{_held(silent)}",
            "Nothing, if another worker is alive: it takes their runs over within seconds. "
            "Otherwise start one; and see to the processes named.",
        )
    if blocked:
        return Finding(
            name,
            "warning",
            f"the event loop of {_workers(blocked)} does not answer: an async tool blocks it"
            f"{_held(blocked)}",
            "Make the tool that blocks a plain def; the worker exits after 30 s, and its last "
            "words name it.",
        )
    if mute := [one for one in reading.live if one.is_mute]:
        return Finding(
            name,
            "warning",
            f"{_workers(mute)} {_do(mute, 'has a lease, but does', 'have leases, but do')} not "
            f"write what {_do(mute, 'it does', 'they do')}{_held(mute)}",
            "See the logs of the processes named: they may not be able to use Redis, after its "
            "password was changed, for example.",
        )
    return Finding(name, "ok", "all registered workers answer")


def check_versions(reading: FleetReading, own: str) -> Finding:
    """Whether all workers, and this process, are of one release."""
    name = "workers.version"
    telling = [one for one in reading.live if not one.is_mute]
    if not telling:
        cause = "the workers do not say it" if reading.live else "no worker is alive"
        return Finding(name, "skipped", cause)
    versions: dict[str, list[WorkerView]] = {}
    for worker in telling:
        versions.setdefault(worker.version or _NO_VERSION, []).append(worker)
    if set(versions) == {own}:
        return Finding(name, "ok", f"all have {own}")
    found = "; ".join(f"{version}: {_workers(some)}" for version, some in sorted(versions.items()))
    return Finding(
        name,
        "warning",
        f"this process has {own}, and the workers have {found}",
        "Finish the upgrade, workers first (docs/upgrading.md); they work together meanwhile.",
    )


def check_clocks(reading: FleetReading) -> Finding:
    """Whether the workers' clocks and the server's agree."""
    name = "workers.clock"
    wrong = [one for one in reading.live if one.clock_offset]
    if not wrong:
        return Finding(name, "ok", "the workers' clocks agree with the server's, as far as known")
    said = [f"{one.worker} ({one.clock_offset:+d} s)" for one in wrong]
    return Finding(
        name,
        "warning",
        f"clocks differ from the server's: {_list(said)}",
        "Synchronise their hosts and the server with NTP: timedatectl set-ntp true.",
    )


def check_modules(reading: FleetReading) -> Finding:
    """Whether the published assistants' tools are loaded by workers that take their runs."""
    name = "workers.modules"
    if not reading.live:
        return Finding(name, "skipped", "no worker is alive")
    lacking = [one for one in reading.definitions if _missing_tools(one, reading)]
    if lacking:
        said = [f"{one.name} ({', '.join(_missing_tools(one, reading))})" for one in lacking]
        return Finding(
            name,
            "warning",
            f"no worker that takes their runs has the tools of {_list(said)}",
            "Start a worker with the assistants' module: threadmill worker MODULE; an assistant "
            "that nobody needs any more is forgotten after 30 days.",
        )
    differing = [one.name for one in reading.definitions if _is_differing(one, reading)]
    if differing:
        return Finding(
            name,
            "warning",
            f"workers define {_list(differing)} in different ways; the one that started last is "
            "published",
            "Deploy the same code to all workers: threadmill assistants shows which differ.",
        )
    count = counted(len(reading.definitions), "published assistant")
    return Finding(name, "ok", f"{count}; the tools of each are loaded")


def _missing_tools(definition: Definition, reading: FleetReading) -> list[str]:
    """The functions that no live worker has that takes the assistant's runs."""
    workers = reading.consumers(definition.queue)
    return [
        spec.name
        for spec in definition.tools
        if not spec.is_external
        and not any(one.tools.get(spec.identity) == spec.digest for one in workers)
    ]


def _is_differing(definition: Definition, reading: FleetReading) -> bool:
    digests = {one.assistants[definition.name] for one in reading.live if _has(one, definition)}
    return bool(digests - {definition.digest()})


def _has(worker: WorkerView, definition: Definition) -> bool:
    return definition.name in worker.assistants


def _is_embedded(worker: WorkerView, namespace: str) -> bool:
    return Queues(namespace).is_embedded(worker.own_queue)


def _workers(some: Iterable[WorkerView]) -> str:
    return _list([one.worker for one in some])


def _list(words: list[str]) -> str:
    left = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {left} more" if left > 0 else "")


def _do(some: list[WorkerView], one: str, many: str) -> str:
    return one if len(some) == 1 else many


def _held(some: Iterable[WorkerView]) -> str:
    held = sum(one.running for one in some)
    return f"; {counted(held, 'run')} held" if held else ""
