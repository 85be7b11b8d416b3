"""Examines Celery's broker, if it is another server than the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from threadmill.inspection.doctor.exposure import check_password, check_tls_use
from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reachability import NamedServer, unreachable
from threadmill.inspection.doctor.servers import LIMIT_SECONDS, examine_redis
from threadmill_shared.broker.app import try_broker
from threadmill_shared.broker.queues import Queues
from threadmill_shared.servers.failures import Failure, find_failure
from threadmill_shared.servers.url import BROKER, masked, parse
from threadmill_shared.settings import Settings
from threadmill_shared.store.server_reader import harmless_celery_commands


async def examine_broker(settings: Settings, clock: Callable[[], float]) -> list[Finding]:
    """Examine the broker: a Redis as the store's, another one for its connection only.

    Raises:
        NotConfigured: its URL cannot be read, or Celery cannot use it.
    """
    if settings.broker_url is None:
        if _is_cluster(settings):
            settings.celery_settings()  # says that Celery needs another server
        return [Finding("broker.reachable", "ok", "the store's Redis is the broker, too")]
    settings.celery_settings()
    url = settings.broker_url.get_secret_value()
    if url.strip().lower().startswith(("redis", "unix")):
        return await examine_redis(
            url,
            name="broker",
            variable=BROKER,
            tried=harmless_celery_commands(Queues(settings.namespace).common),
            clock=clock,
        )
    return await _examine_other(settings, url)


def _is_cluster(settings: Settings) -> bool:
    url = settings.redis_url
    return url is not None and "+cluster://" in url.get_secret_value()


async def _examine_other(settings: Settings, url: str) -> list[Finding]:
    server = NamedServer("broker", BROKER, masked(url))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await asyncio.to_thread(try_broker, settings)
    except TimeoutError:
        return [unreachable(server, Failure("timeout", "it does not answer in time"))]
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        return [unreachable(server, find_failure(error), error)]
    found = [Finding("broker.reachable", "ok", f"{server.address} answers")]
    if url.lower().startswith(("amqp", "pyamqp")) and ";" not in url:
        of_url = parse(url, BROKER)
        found += [check_password(server, of_url), check_tls_use(server, of_url)]
    return found
