"""A small HTTP server on loopback, in a thread of the test's process."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.servers.certificates import Certificate


class LocalHttpServer:
    """Serves while its context lasts; its handlers find it as `self.server.owner`."""

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], certificate: Certificate | None = None
    ) -> None:
        """A server on a free port that is not started yet; with a certificate it speaks TLS."""
        self._server = OwnedServer(("127.0.0.1", 0), handler)
        self._server.owner = self
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.base_url = f"{scheme}://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class OwnedServer(ThreadingHTTPServer):
    """What a handler sees as its server."""

    owner: Any
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes, or does not trust the certificate, is no error of the test's."""
