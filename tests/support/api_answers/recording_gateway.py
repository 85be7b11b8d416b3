"""`threadmill`, with a gateway that records what it answers.

    python -m tests.support.api_answers.recording_gateway serve

Each answer is a line of JSON in the file that THREADMILL_TEST_ANSWERS names. If that is empty,
nothing is recorded: a recorded stream is kept in memory until its end.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from threadmill import cli
from threadmill_gateway import app
from threadmill_gateway.app import GatewayApp

ANSWERS = "THREADMILL_TEST_ANSWERS"
_MOST_BYTES = 64 * 1024
"""Of a stream: what its reader does not take may be much, and tests measure a gateway's memory."""


class Answer:
    """One answer, as it is sent."""

    def __init__(self, method: str, path: str) -> None:
        self.fields: dict[str, Any] = {"method": method, "path": path, "is_whole": False}
        self._body: list[bytes] = []
        self._size = 0

    def add(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            self.fields["status"] = message["status"]
            self.fields["content_type"] = headers.get(b"content-type", b"").decode("latin-1")
        elif message["type"] == "http.response.body":
            self.fields["is_whole"] = not message.get("more_body", False)
            is_stream = self.fields["content_type"].startswith("text/event-stream")
            if not is_stream or self._size < _MOST_BYTES:
                self._body.append(message.get("body", b""))
                self._size += len(self._body[-1])

    def line(self) -> bytes:
        body = b"".join(self._body).decode(errors="backslashreplace")
        return json.dumps(self.fields | {"body": body}).encode() + b"\n"


class RecordingApp(GatewayApp):
    """The gateway; it writes down what it has answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not os.environ.get(ANSWERS):
            await super().__call__(scope, receive, send)
            return
        answer = Answer(scope["method"], scope["path"])

        async def record(message: Message) -> None:
            answer.add(message)
            await send(message)

        try:
            await super().__call__(scope, receive, record)
        finally:
            with Path(os.environ[ANSWERS]).open("ab", buffering=0) as file:
                file.write(answer.line())


if __name__ == "__main__":
    app.GatewayApp = RecordingApp  # type: ignore[misc]
    cli.main()
