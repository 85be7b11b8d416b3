"""Figures of an imagined machine, with round numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIGURES: dict[str, float] = {
    # Of Redis, 400 µs a run and 100 µs a token: a run of 200 tokens is 20,400 µs.
    "redis.followed_run.cpu_us": 400,
    "redis.followed_token.cpu_us": 100,
    "redis.followed_run.bytes_in": 6000,
    "redis.followed_token.bytes_in": 400,
    "redis.followed_run.bytes_out": 4000,
    "redis.followed_token.bytes_out": 300,
    "redis.log_200": 10,
    # With many streams: Redis 400 + 200 x 3 = 1,000 µs, a worker 2,000 + 200 x 40 = 10,000 µs.
    "streams.run_redis_cpu": 400,
    "streams.token_redis_cpu": 3,
    "streams.run_cpu": 2000,
    "streams.token_cpu": 40,
}


def result(name: str, *values: float, **fields: Any) -> dict[str, Any]:
    return {"name": name, "title": f"title of {name}", "unit": "ms", "values": [*values]} | fields


def written(folder: Path, *results: dict[str, Any]) -> Path:
    """A file as `bench.py --json` writes it."""
    stored = {
        "date": "2026-01-01",
        "machine": {"cores": 2},
        "results": [*(result(name, value) for name, value in FIGURES.items()), *results],
    }
    file = folder / "figures.json"
    file.write_text(json.dumps(stored))
    return file
