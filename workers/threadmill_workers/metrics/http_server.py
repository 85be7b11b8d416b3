"""The HTTP server that Prometheus reads from: quiet, and with a time limit for slow readers."""

from __future__ import annotations

import errno
import logging
import socket
import socketserver
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = logging.getLogger("threadmill.worker")

READER_SECONDS = 10
"""How long a reader may take to say what it wants."""


class QuietHandler(WSGIRequestHandler):
    """Answers one reader; no request is a line of the log."""

    timeout = READER_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: what comes here is each request."""


class MetricsHttpServer(ThreadingMixIn, WSGIServer):
    """Answers each reader in a thread of its own, which nothing waits for."""

    daemon_threads = True

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        """Listen.

        Args:
            registry: what is served.
            host: a name or an address, of either family.
            port: 0: the system chooses.

        Raises:
            OSError: the port is taken, or the address is not this machine's.
        """
        self.address_family, address = _find_address(host, port)
        super().__init__((address, port), QuietHandler)
        self._read = make_wsgi_app(registry)
        self.set_app(self._answer)

    def server_bind(self) -> None:
        """Take the port; HTTPServer would also ask DNS what this machine is called."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: a reader has gone away, or has sent what is not HTTP."""

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer: Iterable[bytes] = self._read(environ, start_response)
        except Exception as error:  # noqa: BLE001  wsgiref would write a traceback to stderr
            logger.error("metrics could not be read: %s", type(error).__name__)
            start_response("500 Internal Server Error", [])
            return [b"The metrics could not be read; see the worker's log.\n"]
        else:
            return answer


def _find_address(host: str, port: int) -> tuple[int, str]:
    """The family and the address to listen on.

    Raises:
        OSError: the name cannot be resolved, or is none.
    """
    try:
        [family, _, _, _, address] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except ValueError:  # of a name that DNS cannot have
        raise OSError(errno.EINVAL, "not the name of a host") from None
    return family, str(address[0])
