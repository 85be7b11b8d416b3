"""Serves the metrics over HTTP, from threads of its own."""

from __future__ import annotations

import errno
import logging
from threading import Thread
from typing import Self

from prometheus_client import CollectorRegistry

from threadmill_workers.metrics.http_server import MetricsHttpServer

logger = logging.getLogger("threadmill.worker")

PORTS = 10
"""How many ports are tried, one after the other: several workers of a machine share a setting."""
CLOSE_SECONDS = 0.1
"""How long closing takes at most."""


class MetricsServer:
    """An HTTP server for one registry, until it is closed."""

    def __init__(self, server: MetricsHttpServer) -> None:
        """Serve with a server that listens; `start` makes one."""
        self._server = server
        self._thread = Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": CLOSE_SECONDS},
            name="threadmill-metrics",
            daemon=True,
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """`HOST:PORT`, on which it is reached."""
        host, port = self._server.server_address[:2]
        name = host.decode() if isinstance(host, bytes | bytearray) else str(host)
        return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"

    @classmethod
    def start(cls, registry: CollectorRegistry, host: str, port: int) -> Self | None:
        """Serve on the first free port of ten; None, and a warning, if that is not possible.

        Args:
            registry: what is served.
            host: the address to listen on.
            port: the first one to try; 0: the system chooses.
        """
        ports = range(port, min(port + PORTS, 65_536)) if port else range(1)
        for tried in ports:
            try:
                server = cls(MetricsHttpServer(registry, host, tried))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                _warn_of_address(host, tried, error)
                return None
            if tried != port:
                logger.warning("port %d is taken; metrics are served on port %d", port, tried)
            logger.info("metrics are served on http://%s/metrics", server.address)
            return server
        logger.warning(
            "no port from %d to %d is free; this worker works on without metrics. Set"
            " THREADMILL_METRICS_PORT to others",
            ports[0],
            ports[-1],
        )
        return None

    def close(self) -> None:
        """Stop serving; a reader that is slow is not waited for."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _warn_of_address(host: str, port: int, error: OSError) -> None:
    logger.warning(
        "metrics cannot be served on %r, port %d (%s); this worker works on without. See"
        " THREADMILL_METRICS_HOST and THREADMILL_METRICS_PORT",
        host,
        port,
        error.strerror or type(error).__name__,
    )
