"""Reads along what a Celery broker on Redis is given."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis

# Redis shows what it is given with a backslash before each quote.
_BODY = re.compile(r'"body\\?": ?\\?"([A-Za-z0-9+/=]*)')
_TASK = re.compile(r'"task\\?": ?\\?"([\w.]*)')
_IDS = re.compile(r'"correlation_id\\?": ?\\?"([\w-]*)')


@dataclass(frozen=True)
class Envelope:
    """One message of Celery's, or several events, as they were pushed or published."""

    command: str
    """Redis's command with all of its arguments."""

    @property
    def task(self) -> str:
        """The task's name; empty for an event or an answer to remote control."""
        found = _TASK.search(self.command)
        return found[1] if found else ""

    @property
    def id(self) -> str:
        found = _IDS.search(self.command)
        return found[1] if found else ""

    @property
    def text(self) -> str:
        """All of it, the body decoded."""
        bodies = (
            base64.b64decode(body).decode(errors="replace") for body in _BODY.findall(self.command)
        )
        return "\n".join([self.command, *bodies])


@dataclass
class Broker:
    """What was seen so far."""

    envelopes: list[Envelope] = field(default_factory=list)

    def sent(self, task: str) -> list[Envelope]:
        return [one for one in self.envelopes if one.task == task]


@contextmanager
def listening(url: str) -> Iterator[Broker]:
    """Collect all envelopes that are written to a database of a Redis, until the block's end."""
    broker = Broker()
    with (
        # Nothing may come for long while a busy machine starts the processes that are to talk.
        contextlib.closing(redis.Redis.from_url(url, socket_timeout=None)) as client,
        client.monitor() as monitor,  # type: ignore[no-untyped-call]  # redis-py has no type for it
    ):
        database = client.connection_pool.connection_kwargs.get("db", 0)
        reader = threading.Thread(target=_read, args=(monitor, database, broker), daemon=True)
        reader.start()
        yield broker
        monitor.connection.disconnect()
        reader.join(5)


def _read(monitor: object, database: int, broker: Broker) -> None:
    with contextlib.suppress(redis.RedisError, OSError, ValueError, AttributeError):
        while True:
            seen = monitor.next_command()  # type: ignore[attr-defined]  # redis-py's Monitor
            command: str = seen["command"]
            # What a script sends is shown by itself; its call also has what the store is given.
            is_call = command.startswith(("EVAL ", "EVALSHA "))
            if seen["db"] == database and _BODY.search(command) and not is_call:
                broker.envelopes.append(Envelope(command))
