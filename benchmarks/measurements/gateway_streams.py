"""What a stream costs a gateway, beside streams of constants.

The events are written by a process that does nothing else, one by one, at the same rate while
either is measured: so both have the same machine. Their size is the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from harness.cpu import memory_mb
from harness.effort import Effort
from harness.http_servers import CONSTANT, HttpServer, constant_server, gateway
from harness.open_streams import AnsweringRun, Clients, answering_runs, clients_of, writer
from harness.results import OURS, Figure, Result, Values, results
from harness.rounds import alternate
from harness.store import emptied

_PEERS = (CONSTANT,)
FIGURES = (
    Figure("gateway_streams.cpu", "100 runs, 50 events/s in each, CPU per event", "µs", _PEERS),
    Figure("gateway_streams.one_run", "one run, 100 clients, CPU per event", "µs", _PEERS),
    Figure("gateway_streams.slow", "1,000 runs, an event/s in each, CPU per event", "µs", _PEERS),
    Figure("gateway_streams.memory", "1,000 open streams, memory of each", "KB", _PEERS),
)
STREAMS, RATE = 100, 50.0
MANY, FEWER = 1000, 300
"""Streams that are open at once; fewer in a single round."""
EVENT_BYTES = 200
WARM_UP_SECONDS, SECONDS = 1.0, 3.0

Serve = Callable[[], AbstractContextManager[HttpServer]]
Paths = Callable[[AnsweringRun, float], str]
"""The path of a stream, of a run and its thread, and the rate of its events."""


def measure(effort: Effort) -> list[Result]:
    """Measure both, each with servers of its own."""
    many = MANY if effort.rounds > 1 else FEWER
    contenders = {
        OURS: lambda: _measured(gateway, _events_path, many),
        CONSTANT: lambda: _measured(constant_server, _constant_path, many),
    }
    return results(FIGURES, alternate(effort.limited(rounds=3), contenders))


def _events_path(run: AnsweringRun, _rate: float) -> str:
    return f"/v1/threads/{run.thread_id}/runs/{run.id}/events?starting_after=0"


def _constant_path(_run: AnsweringRun, rate: float) -> str:
    return f"/stream?bytes={EVENT_BYTES}&pause={1 / rate}"


def _measured(serve: Serve, path: Paths, streams: int) -> Values:
    emptied()
    runs = answering_runs(1 + STREAMS + streams)
    one, some, many = runs[:1], runs[1 : 1 + STREAMS], runs[1 + STREAMS :]
    with serve() as server:
        values = {
            "gateway_streams.cpu": _cpu(server, path, some, RATE),
            "gateway_streams.one_run": _cpu(server, path, one, RATE, clients=STREAMS),
        }
        before = memory_mb(server.pid)
        with _open(server, path, many, 1.0) as clients:
            time.sleep(WARM_UP_SECONDS)
            values["gateway_streams.slow"] = clients.cpu_per_event(server, SECONDS)
            used = memory_mb(server.pid) - before
        return values | {"gateway_streams.memory": used / streams * 1000}


def _cpu(
    server: HttpServer, path: Paths, runs: Sequence[AnsweringRun], rate: float, clients: int = 0
) -> float:
    """Microseconds for each event; `clients` of each stream, if it is not one."""
    with _open(server, path, runs, rate, max(1, clients)) as readers:
        time.sleep(WARM_UP_SECONDS)
        return readers.cpu_per_event(server, SECONDS)


@contextmanager
def _open(
    server: HttpServer, path: Paths, runs: Sequence[AnsweringRun], rate: float, each: int = 1
) -> Iterator[Clients]:
    paths = [path(run, rate) for run in runs] * each
    with clients_of(server, paths) as clients, writer([run.id for run in runs], rate):
        yield clients
