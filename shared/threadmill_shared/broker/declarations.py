"""Queues as kombu declares them; naming one needs no kombu."""

from __future__ import annotations

from typing import Any

from kombu.entity import Exchange, Queue


def declared(name: str, *, no_ack: bool = False) -> Any:
    """A queue of the default exchange, which leads a message to the queue of its routing key.

    It needs no binding; with any other exchange, kombu would store one per queue, forever.
    """
    make_queue: Any = Queue  # has no types
    return make_queue(name, exchange=nameless_exchange(), routing_key=name, no_ack=no_ack)


def nameless_exchange() -> Any:
    """The default exchange, which needs no bindings."""
    make: Any = Exchange  # has no types
    return make("")
