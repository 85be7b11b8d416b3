"""Ports for servers of tests, whose programs are told their port before they listen."""

from __future__ import annotations

import random
import socket

_PORTS = range(10_240, 32_768)
"""Below those from which the kernel takes ports for connections, of which tests make thousands."""


def free_port() -> int:
    """A port of this machine that nobody uses at the moment."""
    while True:
        port = random.choice(_PORTS)  # several test processes look for one at the same time
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
