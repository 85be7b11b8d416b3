"""What a gateway's answers cost, beside constants of the same size.

The client is Python's own; one request follows the other, on one connection. First tokens are
those of an idle fleet, in turns: through the gateway, and by the Python API.
"""

from __future__ import annotations

import http.client
import json
import math
import statistics
import time
from typing import Any, NamedTuple

from harness.cpu import Stopwatch, cpu_seconds
from harness.effort import Effort
from harness.http_servers import CONSTANT, HttpServer, constant_server, gateway
from harness.results import OURS, Figure, Result, Values, results
from harness.store import emptied
from harness.workers import worker

from threadmill import Assistant

_PEERS = (CONSTANT,)
FIGURES = (
    Figure("gateway_requests.run", "GET of a run", "ms", _PEERS),
    Figure("gateway_requests.run_cpu", "GET of a run, CPU of the gateway", "ms", _PEERS),
    Figure("gateway_requests.list", "list of 20 messages", "ms", _PEERS),
    Figure("gateway_requests.list_cpu", "list of 20 messages, CPU of the gateway", "ms", _PEERS),
    Figure(
        "gateway_requests.first_token",
        "first token, later than by the Python API; the peer: one request",
        "ms",
        _PEERS,
    ),
)
MESSAGES = 20
TEXT = "What is the capital of France, and how many people live in it? " * 2
SAID = "tokens=2 delay=0"
IDLE_SECONDS = 1.1
WARM_UP = 50


class Caller:
    """A client of one server."""

    def __init__(self, server: HttpServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self._pid = server.pid

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: the answer is an error.
        """
        answer = self._answer(method, path, body)
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{method} {path}: {content.decode()}")
        return content

    def create(self, path: str, body: Any) -> str:
        """The id of an object that is created."""
        return str(json.loads(self.call("POST", path, body))["id"])

    def milliseconds(self, path: str, requests: int) -> tuple[float, float]:
        """What a GET takes, the median; and what it costs the server, both in milliseconds."""
        for _ in range(WARM_UP):
            self.call("GET", path)
        watch, taken = Stopwatch(lambda: cpu_seconds(self._pid)), list[float]()
        for _ in range(requests):
            begun = time.perf_counter()
            self.call("GET", path)
            taken.append(time.perf_counter() - begun)
        return statistics.median(taken) * 1000, watch.cpu / requests * 1000

    def first_token(self) -> float:
        """Milliseconds until the first token of a run with its thread."""
        body = {
            "assistant_id": "bench",
            "stream": True,
            "thread": {"messages": [{"role": "user", "content": SAID}]},
        }
        begun, first = time.perf_counter(), math.nan
        for line in self._answer("POST", "/v1/threads/runs", body):
            if line == b"event: thread.message.delta\n" and math.isnan(first):
                first = (time.perf_counter() - begun) * 1000
        return first

    def _answer(self, method: str, path: str, body: Any) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": "application/json"})
        return self._connection.getresponse()


class Paths(NamedTuple):
    """What is asked for."""

    run: str
    messages: str


def measure(effort: Effort) -> list[Result]:
    """Measure both in every round."""
    emptied()
    with worker(), gateway() as ours, constant_server() as constant:
        caller = Caller(ours)
        paths = _stored(caller)
        found: dict[str, list[Values]] = {OURS: [], CONSTANT: []}
        for _ in range(effort.rounds):
            theirs = _requests(Caller(constant), _constants(caller, paths), effort)
            own = _requests(caller, paths, effort)
            later = _later(caller, effort)
            found[OURS].append(own | {"gateway_requests.first_token": later})
            one = theirs["gateway_requests.run"]
            found[CONSTANT].append(theirs | {"gateway_requests.first_token": one})
    return results(FIGURES, found)


def _stored(caller: Caller) -> Paths:
    """A thread with messages, and a run of it."""
    messages = [
        {"role": "assistant" if number % 2 else "user", "content": TEXT}
        for number in range(MESSAGES)
    ]
    thread = caller.create("/v1/threads", {"messages": messages})
    run = caller.create(f"/v1/threads/{thread}/runs", {"assistant_id": "bench"})
    return Paths(f"/v1/threads/{thread}/runs/{run}", f"/v1/threads/{thread}/messages")


def _constants(ours: Caller, paths: Paths) -> Paths:
    """Constants as long as our answers."""
    sizes = [len(ours.call("GET", path)) for path in paths]
    return Paths(*(f"/constant?bytes={size}" for size in sizes))


def _requests(caller: Caller, paths: Paths, effort: Effort) -> Values:
    values: Values = {}
    for name, path in (("run", paths.run), ("list", paths.messages)):
        taken, cpu = caller.milliseconds(path, max(100, 10 * effort.samples))
        values |= {f"gateway_requests.{name}": taken, f"gateway_requests.{name}_cpu": cpu}
    return values


def _later(caller: Caller, effort: Effort) -> float:
    """How much later the first token comes through the gateway, in milliseconds."""
    ai, through, direct = Assistant(name="bench"), list[float](), list[float]()
    for number in range(max(2, effort.samples_per_round())):
        time.sleep(IDLE_SECONDS)
        if number % 2:
            through.append(caller.first_token())
            direct.append(_by_the_python_api(ai))
        else:
            direct.append(_by_the_python_api(ai))
            through.append(caller.first_token())
    return statistics.median(through) - statistics.median(direct)


def _by_the_python_api(ai: Assistant) -> float:
    begun, first = time.perf_counter(), math.nan
    for event in ai.enqueue(SAID).events():
        if event.event == "thread.message.delta" and math.isnan(first):
            first = (time.perf_counter() - begun) * 1000
    return first
