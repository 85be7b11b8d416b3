"""Examines everything that threadmill needs, side by side and within seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from threadmill.inspection.doctor.broker import examine_broker
from threadmill.inspection.doctor.finding import Finding, in_order
from threadmill.inspection.doctor.fleet import examine_fleet
from threadmill.inspection.doctor.fleet_provider import examine_providers_of_workers
from threadmill.inspection.doctor.gateway import examine_gateway
from threadmill.inspection.doctor.provider import ask_configured, examine_provider
from threadmill.inspection.doctor.reachability import cure_of
from threadmill.inspection.doctor.reading import FleetReading, read_for_doctor
from threadmill.inspection.doctor.servers import examine_redis
from threadmill_shared import errors
from threadmill_shared.broker.queues import Queues
from threadmill_shared.servers.failures import find_failure
from threadmill_shared.servers.url import STORE
from threadmill_shared.settings import Settings
from threadmill_shared.store.server_reader import harmless_celery_commands, harmless_commands

_FLEET = "workers.alive"
"""The finding that stands for all about the fleet if that cannot be read."""
_UNREAD = "workers, queues and runs could not be examined"


async def diagnose(
    settings: Settings, *, with_provider: bool = True, clock: Callable[[], float] = time.time
) -> list[Finding]:
    """Examine the store, the broker, the fleet and the provider; nothing is changed.

    Args:
        settings: of this process.
        with_provider: whether to ask the provider, which costs nothing.
        clock: this machine's, in seconds since the epoch.

    Returns:
        What was found, those first that need somebody first.
    """
    store, broker, answer = await asyncio.gather(
        _examine_store(settings, clock),
        _guarded("broker", examine_broker(settings, clock)),
        ask_configured(settings.model_api) if with_provider else _not_asked(),
    )
    of_store, reading = store
    if settings.broker_url is None and not _is_reachable(of_store):
        broker = [_without_store(one) for one in broker]
    of_workers = examine_providers_of_workers(reading, answer)
    provider = examine_provider(answer, settings, reading)
    gateway = examine_gateway(settings)
    return in_order([*of_store, *of_workers, *broker, *provider, *gateway])


async def _not_asked() -> Finding:
    return Finding("provider.reachable", "skipped", "--no-provider was given")


async def _guarded(name: str, part: Awaitable[list[Finding]]) -> list[Finding]:
    """A part's findings; what keeps it from being examined is one, too."""
    try:
        return await part
    except errors.NotConfigured as error:
        cause, _, cure = str(error).partition(". ")
        return [Finding(f"{name}.configured", "error", cause.rstrip("."), cure)]
    except Exception as error:  # noqa: BLE001  the other parts are shown all the same
        cause = f"it could not be examined ({type(error).__name__})"
        return [Finding(f"{name}.reachable", "skipped", cause)]


async def _examine_store(
    settings: Settings, clock: Callable[[], float]
) -> tuple[list[Finding], FleetReading | None]:
    """The findings about Redis, and about the fleet; and what was read of it."""
    found = await _guarded("redis", _examine_redis(settings, clock))
    if not _is_reachable(found):
        return [*found, Finding(_FLEET, "skipped", f"{_UNREAD}: Redis cannot be used")], None
    try:
        reading = await read_for_doctor(settings)
    except Exception as error:  # noqa: BLE001  the other parts are shown all the same
        failure = find_failure(error)
        cure = f"{cure_of(failure, STORE)} Then run threadmill doctor again."
        return [*found, Finding(_FLEET, "error", f"{_UNREAD}: {failure.cause}", cure)], None
    return [*found, *examine_fleet(reading)], reading


def _is_reachable(found: Iterable[Finding]) -> bool:
    """Whether these findings say that Redis can be used."""
    return any(one.name == "redis.reachable" and one.state == "ok" for one in found)


def _without_store(found: Finding) -> Finding:
    """A finding about a broker that is the store's Redis, if that cannot be used."""
    if found.state != "ok":
        return found
    return Finding(found.name, "skipped", f"{found.cause}, and it cannot be used")


async def _examine_redis(settings: Settings, clock: Callable[[], float]) -> list[Finding]:
    namespace = settings.namespace
    tried = harmless_commands(f"{namespace}:{{workers}}:diagnosis", f"{namespace}:diagnosis")
    if settings.broker_url is None:
        tried += harmless_celery_commands(Queues(namespace).common)
    return await examine_redis(
        settings.store_url(), name="redis", variable=STORE, tried=tried, clock=clock
    )
