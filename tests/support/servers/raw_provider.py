"""A model provider on loopback that sends bodies as a test has cut them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.servers.http_server import LocalHttpServer, OwnedServer

FINE = "All is well."


def _event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


_PART = {"type": "output_text", "text": FINE, "annotations": []}
_ITEM = {"type": "message", "id": "m1", "role": "assistant", "content": [_PART]}
_FINE = {
    "responses": _event({"type": "response.completed", "response": {"output": [_ITEM]}}),
    "completions": _event({"choices": [{"delta": {"content": FINE}, "finish_reason": "stop"}]}),
}


class RawProvider(LocalHttpServer):
    """Sends each of its bodies once, in turn, and then says FINE."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.bodies: deque[tuple[Sequence[bytes], bool]] = deque()
        """Pieces, and whether the connection breaks after them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: OwnedServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        provider: RawProvider = self.server.owner
        bodies = provider.bodies
        fine = [_FINE[self.path.rpartition("/")[2]]]
        pieces, is_broken = bodies.popleft() if bodies else (fine, False)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in filter(None, pieces):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if is_broken:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
