"""What `make bench` does if something fails, or if it is told to end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.benchmarks import BENCHMARKS, benchmarks_found
from tests.support.servers.pool import Servers
from tests.support.waiting import wait_until

BENCH = [sys.executable, str(BENCHMARKS / "bench.py"), "--quick", "--only", "short_run"]


__all__ = ["benchmarks_found"]


@contextlib.contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A measurement that keeps its files in this folder; afterwards, nothing of it is alive."""
    process = subprocess.Popen(
        BENCH,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    family = psutil.Process(process.pid)
    children: list[psutil.Process] = []
    try:
        children = wait_until(lambda: _with_a_worker(family), "the worker", timeout=60)
        yield process
        wait_until(lambda: not any(map(_is_alive, children)), "the end of all processes")
    finally:
        for one in [family, *children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()


def _with_a_worker(family: psutil.Process) -> list[psutil.Process]:
    """All processes under this one, once there is a worker; its servers are older."""
    children = family.children(recursive=True)
    return children if any("processes.bot" in _command(one) for one in children) else []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_measurement_that_is_told_to_end_leaves_nothing(
    request_to_end: signal.Signals, tmp_path: Path
) -> None:
    with started(tmp_path) as process:
        process.send_signal(request_to_end)
        assert process.wait(30) == 128 + request_to_end
    assert not list(tmp_path.glob("threadmill-bench-*"))
    assert not list(tmp_path.glob("*.json"))


def test_a_redis_that_does_not_start_fails_its_measurement_and_no_other(tmp_path: Path) -> None:
    programs, results = tmp_path / "programs", tmp_path / "results.json"
    programs.mkdir()
    for name in ("valkey-server", "redis-server"):
        program = programs / name
        program.write_text('#!/bin/sh\ncase "$1" in --version) exit;; esac\necho no room; exit 1\n')
        program.chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    command = [*BENCH, "--only", "tails", "--json", str(results)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name in ("short_run", "tails"):
        assert f"{name} FAILED: {programs}/valkey-server does not start:\nno room" in done.stdout
    assert "no results are written: short_run, tails" in done.stderr
    assert not results.exists()


def test_a_worker_that_does_not_start_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    from harness import workers

    url = servers.get("redis").fresh_database()
    monkeypatch.setenv("THREADMILL_REDIS_URL", url)
    monkeypatch.setenv("THREADMILL_CONCURRENCY", "1")
    with (
        pytest.raises(RuntimeError, match="a worker has ended with status"),
        workers.worker(concurrency=0),
    ):
        pytest.fail("there is no such worker")


def test_a_server_of_others_that_has_taken_the_port_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, servers: Servers
) -> None:
    from harness import servers as harness_servers

    taken = servers.get("redis").port
    ports = iter([taken, harness_servers.free_port()])
    monkeypatch.setattr(harness_servers, "free_port", lambda: next(ports))
    with harness_servers.start_redis() as url:
        assert str(taken) not in url


def test_a_script_that_fails_is_not_measured_as_a_fast_one() -> None:
    import startup

    assert startup._run(["-c", "raise SystemExit(3)"], status=3).cpu > 0
    with pytest.raises(RuntimeError, match=r"ended with status 3: too bad"):
        startup._run(["-c", "import sys; print('too bad', file=sys.stderr); sys.exit(3)"])
