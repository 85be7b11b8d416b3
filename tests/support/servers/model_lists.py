"""A provider of which nothing is asked but its list of models."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.servers.certificates import Certificate
from tests.support.servers.http_server import LocalHttpServer, OwnedServer


class ModelList(LocalHttpServer):
    """Answers each question for the list with the same status and body."""

    def __init__(self, status: int, body: Any, own: Certificate | None = None) -> None:
        """A server that is not started yet; a body that is no text is sent as JSON."""
        super().__init__(_Handler, own)
        self.status = status
        self.body = body if isinstance(body, str) else json.dumps(body)
        self.refusal: tuple[int, Any] = (400, "")
        """What requests to a model get."""
        self.posted: list[str] = []
        """Their paths."""


def listing(*models: str) -> dict[str, Any]:
    """The body of a provider that has these models."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}


class _Handler(BaseHTTPRequestHandler):
    server: OwnedServer

    def do_GET(self) -> None:
        self._answer(self.server.owner.status, self.server.owner.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.owner.posted.append(self.path)
        status, body = self.server.owner.refusal
        self._answer(status, body if isinstance(body, str) else json.dumps(body))

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        is_json = body.startswith(("{", "["))
        self.send_header("Content-Type", "application/json" if is_json else "text/html")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""
