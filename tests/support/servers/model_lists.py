"""A provider of which nothing is asked but its list of models."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.servers.certificates import Certificate


class ModelList:
    """Answers each request with the same status and body."""

    def __init__(self, status: int, body: Any, own: Certificate | None = None) -> None:
        """A server that is not started yet; a body that is no text is sent as JSON."""
        self.status = status
        self.body = body if isinstance(body, str) else json.dumps(body)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.answers = self
        if own is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own.certificate, own.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if own is None else "https"
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


def listing(*models: str) -> dict[str, Any]:
    """The body of a provider that has these models."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}


class _Server(ThreadingHTTPServer):
    answers: ModelList
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust the certificate is no error of the test's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        answers = self.server.answers
        self.send_response(answers.status)
        is_json = answers.body.startswith(("{", "["))
        self.send_header("Content-Type", "application/json" if is_json else "text/html")
        self.send_header("Content-Length", str(len(answers.body.encode())))
        self.end_headers()
        self.wfile.write(answers.body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""
