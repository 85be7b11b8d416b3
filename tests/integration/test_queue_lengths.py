"""How many messages are in queues: the store says the same of its own Redis as Celery does."""

from __future__ import annotations

import asyncio
from random import Random
from uuid import uuid4

from pydantic import SecretStr

from threadmill_shared.broker.queue_lengths import read_queue_lengths
from threadmill_shared.settings import Settings
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store


async def test_queues_are_as_long_as_kombu_says_they_are(redis_url: str) -> None:
    settings = Settings(redis_url=SecretStr(redis_url), namespace=uuid4().hex)
    random = Random(7)
    names = [f"{settings.namespace}.{number}" for number in range(5)]
    client = connect(redis_url)
    for name in names:
        for priority in ("", "\x06\x163", "\x06\x166", "\x06\x169"):
            for _ in range(random.randrange(4)):
                await client.execute_command("LPUSH", f"{name}{priority}", "{}")

    unknown = f"{settings.namespace}.unknown"
    store = Store(client, settings.namespace)
    found = await store.inspector.queue_lengths([*names, unknown])
    assert found == await asyncio.to_thread(read_queue_lengths, settings, [*names, unknown])
    assert sum(found.messages.values()) > 10

    await client.execute_command("SET", unknown, "a text")
    assert (await store.inspector.queue_lengths([*names, unknown])).error is not None
    await store.close()
