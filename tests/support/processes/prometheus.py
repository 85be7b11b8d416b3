"""Prometheus as a process of its own, which reads the metrics of a test's workers every second."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.monitoring_files import ALERTS
from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

JOB = "threadmill"


def need_prometheus() -> None:
    """Skip the test if Prometheus is not installed."""
    missing = [one for one in ("prometheus", "promtool") if shutil.which(one) is None]
    if missing:
        pytest.skip(f"{missing} are not installed: apt-get install prometheus")


@dataclass(frozen=True)
class Sample:
    """One series of an answer, at one moment or at several."""

    labels: dict[str, str]
    points: list[tuple[float, float]]
    """Time and value."""

    @property
    def value(self) -> float:
        """The last one."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that was started."""

    port: int

    def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers.

        Raises:
            AssertionError: it refuses the question; the message says why.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[Sample]:
        """The value of an expression now."""
        found = self.ask("query", query=expression)["result"]
        return [Sample(one["metric"], [_point(one["value"])]) for one in found]

    def query_range(self, expression: str, start: float, end: float, step: str) -> list[Sample]:
        """Its values over a time, in seconds since 1970."""
        times = {"start": str(start), "end": str(end), "step": step}
        found = self.ask("query_range", query=expression, **times)["result"]
        return [Sample(one["metric"], list(map(_point, one["values"]))) for one in found]

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False


def _point(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


@contextmanager
def running_prometheus(folder: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """A Prometheus that has read these targets (`HOST:PORT`), with the alert rules of the docs."""
    port = free_port()
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": list(targets)}]}],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(configuration))
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    prometheus = Prometheus(port)
    try:
        wait_until(prometheus.is_up, "Prometheus answers", 30)
        every = f'count(threadmill_build_info{{job="{JOB}"}}) == {len(targets)}'
        wait_until(lambda: prometheus.query(every), "it has read all workers", 30)
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)
