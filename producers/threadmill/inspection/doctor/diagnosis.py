"""Examines everything that threadmill needs, side by side and within seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from threadmill.inspection.doctor.broker import examine_broker
from threadmill.inspection.doctor.finding import Finding, in_order
from threadmill.inspection.doctor.provider import (
    ask_configured,
    check_models,
    check_provider,
    check_retirement,
)
from threadmill.inspection.doctor.servers import examine_redis
from threadmill_shared import errors
from threadmill_shared.servers.url import STORE
from threadmill_shared.settings import Settings


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
    parts = [
        _guarded("redis", _examine_store(settings, clock)),
        _guarded("broker", examine_broker(settings, clock)),
    ]
    if with_provider:
        parts.append(_guarded("provider", _examine_provider(settings)))
    found = [finding for part in await asyncio.gather(*parts) for finding in part]
    if not with_provider:
        found.append(Finding("provider.reachable", "skipped", "--no-provider was given"))
    return in_order(found)


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


async def _examine_store(settings: Settings, clock: Callable[[], float]) -> list[Finding]:
    return await examine_redis(
        settings.store_url(),
        name="redis",
        variable=STORE,
        namespace=settings.namespace,
        clock=clock,
    )


async def _examine_provider(settings: Settings) -> list[Finding]:
    answer = await ask_configured()
    if isinstance(answer, Finding):
        return [answer]
    used = {settings.model: ["THREADMILL_MODEL"]}
    return [check_provider(answer), check_models(answer, used), check_retirement(used)]
