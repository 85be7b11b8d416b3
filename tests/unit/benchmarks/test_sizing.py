"""What the page says of a fleet follows from the figures, calculated by hand here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.benchmarks import BENCHMARKS
from tests.unit.benchmarks.figures import result, written

IDLE = [
    result("idle.redis_cpu", share, over="workers", at=workers)
    for workers, share in ((1, 0.5), (8, 1.0), (16, 2.0))
]
CONNECTIONS = result("idle.connections", 13, over="workers", at=1)


@pytest.fixture
def sizing(tmp_path: Path) -> Any:
    from pages.measured import Measured
    from pages.sizing import Sizing

    return Sizing(Measured(written(tmp_path, *IDLE, CONNECTIONS)))


def test_a_run_costs_its_tokens_and_the_rest(sizing: Any) -> None:
    assert sizing.redis_us() == 400 + 200 * 100
    assert sizing.redis_us(5) == 400 + 5 * 100
    assert sizing.redis_us_at_least() == 400 + 200 * 3
    assert sizing.worker_us() == 2000 + 200 * 40


def test_what_a_core_takes(sizing: Any) -> None:
    # A second has a million microseconds: 49 runs of 20,400, 1,000 of 1,000, 100 of 10,000.
    assert sizing.tokens_per_core() == "9,800"
    assert sizing.tokens_per_core_at_most() == "200,000"
    assert sizing.runs_per_core(5) == "1,100"  # 1,000,000 / 900
    # A stream of 30 tokens a second is 0.15 runs of 200 tokens a second.
    assert sizing.streams_of_redis() == "330"
    assert sizing.streams_of_redis_at_most() == "6,700"
    assert sizing.streams_of_a_worker() == "670"


def test_what_all_machines_take(sizing: Any) -> None:
    assert sizing.streams_of_machines(1) == 1300  # 2 cores of 666.7
    assert sizing.streams_of_machines() == 130_000
    assert sizing.workers_of_clients() == "770"


def test_idle_workers_go_on_costing_as_between_the_last_two_sizes(sizing: Any) -> None:
    assert sizing.idle_fleet(16) == "2.0"
    assert sizing.idle_fleet(24) == "3.0"
    assert sizing.idle_fleet(200) == "25"


def test_the_table_has_what_each_number_of_streams_needs(sizing: Any) -> None:
    rows = [row.strip("| ").split(" | ") for row in sizing.table().splitlines()[2:]]
    assert [row[0] for row in rows] == ["100", "1,000", "10,000", "130,000"]
    # 1,000 streams: 30,000 tokens, 150 runs a second. A run has 10,000 + 200 x 700 bytes.
    assert rows[1] == ["1,000", "30,000", "150", "1.5", "3.1", "0.15", "22 MB/s", "5.4 GB"]


def test_redis_ends_before_the_workers_by_the_stored_figures() -> None:
    """The page says so: if this fails, its section about what ends first is wrong."""
    from pages.measured import Measured
    from pages.sizing import Sizing, _streams

    stored = Measured(BENCHMARKS.parent / "docs" / "performance" / "figures.json")
    stored_sizing = Sizing(stored)
    assert _streams(stored_sizing.redis_us_at_least()) < stored_sizing.streams_of_machines() / 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.012"), (0.5, "0.50"), (9.96, "10"), (99.9, "100"), (12_345, "12,000")],
)
def test_a_calculated_value_has_two_digits(value: float, shown: str) -> None:
    from pages.measured import about

    assert about(value) == shown
