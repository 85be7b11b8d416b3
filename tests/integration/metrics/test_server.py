"""The server of a worker's metrics: which port it gets, and that it holds nobody up."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from tests.support.scrapes import Scrape
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

from threadmill_workers.metrics import server as server_module
from threadmill_workers.metrics.server import MetricsServer

HOST = "127.0.0.1"


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("marks", "A mark of this test.", registry=registry).inc(3)
    return registry


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as holder:
        holder.bind((HOST, port))
        holder.listen()
        yield


@contextmanager
def serving(
    registry: CollectorRegistry, port: int = 0, host: str = HOST
) -> Iterator[MetricsServer]:
    server = MetricsServer.start(registry, host, port)
    assert server is not None
    try:
        yield server
    finally:
        server.close()


def test_what_is_counted_is_served(registry):
    with serving(registry) as server:
        assert Scrape.of(f"http://{server.address}/metrics").values("marks_total") == [3]


def test_it_listens_on_ipv6_too(registry):
    server = MetricsServer.start(registry, "::1", 0)
    if server is None:
        pytest.skip("this machine has no IPv6")
    try:
        assert server.address.startswith("[::1]:")
        assert Scrape.of(f"http://{server.address}/metrics").values("marks_total") == [3]
    finally:
        server.close()


def test_if_a_port_is_taken_a_warning_says_so_and_the_next_one_is_used(registry, caplog):
    port = free_port()
    with taken(port), serving(registry, port) as server:
        assert int(server.address.rpartition(":")[2]) in range(port + 1, port + 10)
        used = server.address.rpartition(":")[2]
    assert f"port {port} is taken; metrics are served on port {used}\n" in caplog.text


def test_several_taken_ports_are_one_warning(registry, caplog):
    first, second = pair_of_free_ports()
    with taken(first), taken(second), serving(registry, first):
        pass
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == 1


def test_if_no_port_of_ten_is_free_a_warning_says_so_and_nothing_is_served(
    registry, caplog, monkeypatch
):
    monkeypatch.setattr(server_module, "PORTS", 2)
    with ExitStack() as held:
        first, last = pair_of_free_ports()
        for port in (first, last):
            held.enter_context(taken(port))
        assert MetricsServer.start(registry, HOST, first) is None
    [told] = [one.getMessage() for one in caplog.records]
    assert f"no port from {first} to {last} is free; this worker works on without metrics" in told


def pair_of_free_ports() -> tuple[int, int]:
    while True:
        port = free_port()
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port + 1))
            except OSError:
                continue
        return port, port + 1


def test_an_address_that_is_not_this_machines_is_one_warning_and_nothing_is_served(
    registry, caplog
):
    assert MetricsServer.start(registry, "192.0.2.1", free_port()) is None
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "192.0.2.1" in record.getMessage()
    assert "THREADMILL_METRICS_HOST" in record.getMessage()


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "two..dots", "x" * 64, "", " ::1", "a\0b"]
)
def test_a_name_that_cannot_be_resolved_is_a_warning_and_nothing_is_served(registry, caplog, host):
    assert MetricsServer.start(registry, host, free_port()) is None
    [told] = [one.getMessage() for one in caplog.records]
    assert f"metrics cannot be served on {host!r}" in told


def test_after_closing_nothing_listens_and_no_thread_is_left(registry):
    with serving(registry) as server:
        url = f"http://{server.address}/metrics"
    with pytest.raises(urllib.error.URLError):
        Scrape.of(url)
    assert "threadmill-metrics" not in {thread.name for thread in threading.enumerate()}


def test_a_reader_that_asks_nothing_does_not_keep_it_from_closing(registry):
    with ExitStack() as held:
        with serving(registry) as server:
            host, _, port = server.address.rpartition(":")
            idle = held.enter_context(socket.create_connection((host, int(port))))
            idle.send(b"GET /metr")
            Scrape.of(f"http://{server.address}/metrics")  # others are answered meanwhile
            begun_at = time.monotonic()
        assert time.monotonic() - begun_at < 5


def test_a_reader_that_goes_away_leaves_no_traceback_on_stderr(registry, capfd):
    with serving(registry) as server:
        host, _, port = server.address.rpartition(":")
        for _ in range(3):
            with socket.create_connection((host, int(port))) as reader:
                reader.send(b"GET /metr")
                at_once = struct.pack("ii", 1, 0)
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        wait_until(lambda: "process_request_thread" not in str(threading.enumerate()))
        assert Scrape.of(f"http://{server.address}/metrics").values("marks_total") == [3]
    assert capfd.readouterr().err == ""


def test_what_cannot_be_read_is_an_error_for_the_reader_and_names_no_more_on_stderr(capfd, caplog):
    registry = CollectorRegistry()
    Gauge("broken", "It fails.", registry=registry).set_function(lambda: 1 / 0)
    with serving(registry) as server, pytest.raises(urllib.error.HTTPError) as refused:
        Scrape.of(f"http://{server.address}/metrics")
    with refused.value as answer:
        assert answer.code == 500
    assert capfd.readouterr().err == ""
    assert "ZeroDivisionError" in caplog.text
