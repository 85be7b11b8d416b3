"""Whatever a client sends, the gateway answers it as described, and serves the next request.

A request that is refused has written nothing. The gateway's limits are small here, so that what is
too large is soon sent; no worker executes what is created.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote, urlencode

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.acceptance.conftest import Lasting
from tests.support.described_answers import violations
from tests.support.odd_requests import IDS, OddRequest, odd_requests
from tests.support.processes.gateway import GatewayProcess, Gateways
from tests.support.store.noted_writes import Writes, noted_writes

EXAMPLES = int(os.environ.get("FUZZ_REQUESTS", "1000"))
_CI = 1000
_MOST_BYTES = 64 * 1024


class Target:
    """A gateway with one object of each kind, which come back if a request deletes them."""

    def __init__(self, gateway: GatewayProcess, writes: Writes) -> None:
        self.url = gateway.url
        self._http = httpx.Client(timeout=20)
        self._writes = writes
        self._ids: dict[str, str] = {}
        self._make()

    def close(self) -> None:
        self._http.close()

    def send(self, odd: OddRequest) -> list[str]:
        """Send a request, and one after it; returns what is wrong with the answers."""
        self._writes.names()
        path = quote(self._named(odd.path), safe="/%$")
        query = "?" + self._named(urlencode(odd.query)) if odd.query else ""
        body = self._named(odd.body.decode("latin-1")).encode("latin-1")
        request = httpx.Request(
            odd.method,
            self.url + path + query,
            headers={name: value.encode() for name, value in odd.headers.items()},
            content=iter([body[:7], body[7:]]) if odd.is_chunked else body,
        )
        answer = self._http.send(request, stream=True)
        content = _content(answer)
        sent_path = request.url.raw_path.decode().partition("?")[0]
        found = violations(odd.method, sent_path, answer.status_code, answer.headers, content)
        written = self._writes.names()
        if answer.status_code != 200 and written:
            found.append(f"it was refused, and yet there were written {written}")
        if odd.method == "DELETE" or (answer.status_code == 200 and odd.method == "POST"):
            self._make()
        return found + self._next()

    def send_bytes(self, content: bytes) -> bytes:
        """Send these bytes and close that side of the connection; returns what is answered."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            with suppress(OSError):  # refused before all was sent
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                return b"".join(iter(lambda: connection.recv(65536), b""))
        return b""

    def _next(self) -> list[str]:
        answer = self._http.get(f"{self.url}/v1/threads/{self._ids['$THREAD']}")
        return [] if answer.status_code == 200 else [f"the next request: {answer.text}"]

    def _named(self, text: str) -> str:
        for word in IDS:
            text = text.replace(word, self._ids[word]).replace(quote(word), self._ids[word])
        return text

    def _post(self, path: str, **body: object) -> str:
        answer = self._http.post(f"{self.url}/v1{path}", json=body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def _has(self, path: str) -> bool:
        return self._http.get(f"{self.url}/v1{path}").status_code == 200

    def _make(self) -> None:
        """What does not exist, or any more."""
        known = {word: self._ids.get(word, "none_") for word in IDS}
        if not self._has(f"/assistants/{known['$ASSISTANT']}"):
            known["$ASSISTANT"] = self._post("/assistants", model="gpt-5.4-mini")
        thread, run = (
            f"/threads/{known['$THREAD']}",
            f"/threads/{known['$LOCKED']}/runs/{known['$RUN']}",
        )
        if not self._is_free(thread):
            known["$THREAD"] = self._post("/threads")
        thread = f"/threads/{known['$THREAD']}"
        if not self._has(f"{thread}/messages/{known['$MESSAGE']}"):
            known["$MESSAGE"] = self._post(f"{thread}/messages", role="user", content="Hi.")
        found = self._http.get(f"{self.url}/v1{run}")
        if found.status_code != 200 or found.json()["status"] != "queued":
            known["$LOCKED"] = self._post("/threads")
            runs = f"/threads/{known['$LOCKED']}/runs"
            known["$RUN"] = self._post(runs, assistant_id=known["$ASSISTANT"])
        if not self._has(f"/files/{known['$FILE']}"):
            known["$FILE"] = self._upload()
        self._ids = known | {"$STEP": "step_1"}

    def _is_free(self, thread: str) -> bool:
        answer = self._http.post(
            f"{self.url}/v1{thread}/messages", json={"role": "user", "content": "x"}
        )
        return answer.status_code == 200

    def _upload(self) -> str:
        files = {"file": ("a.txt", b"hello")}
        answer = self._http.post(
            f"{self.url}/v1/files", files=files, data={"purpose": "assistants"}
        )
        return str(answer.json()["id"])


def _content(answer: httpx.Response) -> bytes:
    """All of an answer; of a stream the first piece, since no worker ends it."""
    pieces = answer.iter_bytes()
    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
    try:
        return next(pieces, b"") if is_stream else b"".join(pieces)
    finally:
        answer.close()


@pytest.fixture(scope="module")
def target(lasting: Lasting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    limits = {
        "THREADMILL_GATEWAY_BODY_BYTES": str(_MOST_BYTES),
        "THREADMILL_FILE_BYTES": str(_MOST_BYTES),
    }
    with Gateways(tmp_path_factory.mktemp("gateways")) as gateways:
        gateway = gateways.start(**limits)
        with noted_writes(os.environ["THREADMILL_REDIS_URL"]) as writes:
            target = Target(gateway, writes)
            yield target
            target.close()


@pytest.mark.timeout(3600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES <= _CI,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(odd=odd_requests())
def test_an_odd_request_is_answered_as_described_and_refused_whole(
    target: Target, odd: OddRequest
) -> None:
    assert target.send(odd) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
        b"POST /v1/threads HTTP/1.1\r\nHost: localhost\r\nCookie: \x7f\x01\r\n\r\n{}",
        b"GET /v1/models HTTP/1.1\r\n" + b"a: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n" * 50,
    ],
)
def test_what_is_not_http_is_refused_and_the_next_request_served(
    target: Target, sent: bytes
) -> None:
    assert b" 500 " not in target.send_bytes(sent)
    assert target.send(OddRequest("GET", "/v1/models")) == []
