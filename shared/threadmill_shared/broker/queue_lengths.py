"""How many messages wait in queues, as the broker says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amqp.exceptions import ChannelError

from threadmill_shared.broker.app import ONE_TRY, make_app
from threadmill_shared.records.queue_lengths import QueueLengths
from threadmill_shared.servers.failures import find_failure
from threadmill_shared.settings import Settings

LOOK_SECONDS = 2.0
"""How long the broker may take for an answer."""


def read_queue_lengths(settings: Settings, names: Iterable[str]) -> QueueLengths:
    """Ask the broker, once and with little patience, how many messages are in these queues.

    Raises:
        NotConfigured: its URL cannot be read.
    """
    app = make_app(settings)
    app.conf.broker_transport_options |= {
        "socket_timeout": LOOK_SECONDS,
        "socket_connect_timeout": LOOK_SECONDS,
        **ONE_TRY,
    }
    try:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=LOOK_SECONDS)
            return QueueLengths({name: _messages(connection, name) for name in names})
    except Exception as error:  # noqa: BLE001  each transport has errors of its own
        return QueueLengths(error=find_failure(error).cause)


def _messages(connection: Any, name: str) -> int:
    try:
        declared = connection.default_channel.queue_declare(queue=name, passive=True)
    except ChannelError:  # there is no such queue
        return 0
    return int(declared.message_count)
