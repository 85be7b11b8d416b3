"""What a worker's metrics say, as Prometheus reads them."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families
from tests.support.processes.worker import Worker
from tests.support.waiting import wait_until

_SERVED = re.compile(r"metrics are served on (http://\S+/metrics)")


@dataclass(frozen=True)
class Scrape:
    """All samples of one moment."""

    text: str = ""
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    @classmethod
    def of(cls, url: str) -> Self:
        """Ask for the metrics; fails if nobody answers."""
        with urllib.request.urlopen(url, timeout=10) as answer:
            return cls.read(answer.read().decode())

    @classmethod
    def of_worker(cls, worker: Worker) -> Self:
        return cls.of(metrics_url(worker))

    @classmethod
    def read(cls, text: str) -> Self:
        families = text_string_to_metric_families(text)
        found = [(one.name, one.labels, one.value) for each in families for one in each.samples]
        return cls(text, found)

    def values(self, name: str, **labels: str) -> list[float]:
        """The values of all samples with this name and these labels among theirs."""
        return [
            value
            for found, has, value in self.samples
            if found == name and labels.items() <= has.items()
        ]

    def total(self, name: str, **labels: str) -> float:
        """Their sum; 0 if there is none."""
        return sum(self.values(name, **labels))

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has in samples of this name."""
        return {has[label] for found, has, _ in self.samples if found == name and label in has}


def metrics_url(worker: Worker) -> str:
    """Where a worker serves its metrics, as its log says."""
    found = wait_until(lambda: _SERVED.search(worker.log()), "the worker serves metrics")
    return found[1]
