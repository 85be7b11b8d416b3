"""A provider of which nothing is asked but its list of models."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.servers.certificates import Certificate
from tests.support.servers.http_server import LocalHttpServer, OwnedServer


class ModelList(LocalHttpServer):
    """Answers each request with the same status and body."""

    def __init__(self, status: int, body: Any, own: Certificate | None = None) -> None:
        """A server that is not started yet; a body that is no text is sent as JSON."""
        super().__init__(_Handler, own)
        self.status = status
        self.body = body if isinstance(body, str) else json.dumps(body)


def listing(*models: str) -> dict[str, Any]:
    """The body of a provider that has these models."""
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in models]}


class _Handler(BaseHTTPRequestHandler):
    server: OwnedServer

    def do_GET(self) -> None:
        answers: ModelList = self.server.owner
        self.send_response(answers.status)
        is_json = answers.body.startswith(("{", "["))
        self.send_header("Content-Type", "application/json" if is_json else "text/html")
        self.send_header("Content-Length", str(len(answers.body.encode())))
        self.end_headers()
        self.wfile.write(answers.body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""
