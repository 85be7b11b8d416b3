"""`make bench`: threadmill against the bare SDK and a plain Celery task, in one run.

200 runs at once, 50 tokens each, 20 ms apart, from the stand-in provider on loopback. Every
contender is a process of its own. CPU is the contender's process alone. Absolute figures are
noisy and worth little: look at the ratios, which are of medians over rounds.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

from contenders import Figures, idle_latencies, run_bare, run_plain, run_threadmill
from servers import start_redis, start_standin

HERE = Path(__file__).parent


def main() -> None:
    """Measure, print, and say which targets hold."""
    options = _options()
    with ExitStack() as stack:
        os.environ["THREADMILL_REDIS_URL"] = stack.enter_context(start_redis())
        os.environ["OPENAI_BASE_URL"] = stack.enter_context(start_standin())
        os.environ["OPENAI_API_KEY"] = "none"
        os.chdir(HERE)
        rounds = [_round(options) for _ in range(options.rounds)]
        latency = idle_latencies(options.samples)
    figures = {name: _median([r[name] for r in rounds]) for name in rounds[0]}
    _print(figures)
    bare, plain, ours = figures["bare SDK"], figures["plain task"], figures["threadmill"]
    print(f"\nidle, medians of {options.samples}:")
    print(f"  first token, direct call     {latency.direct_ms:7.1f} ms")
    print(f"  first token, through a say   {latency.say_ms:7.1f} ms")
    print(f"  token sent -> readable       {latency.readable_ms:7.1f} ms")
    checks = [
        ("CPU per token / bare SDK's", ours.cpu_us / bare.cpu_us, "<=", 0.6),
        ("runs/s / plain task's", ours.runs_per_second / plain.runs_per_second, ">=", 1.5),
        ("first token later by (ms)", latency.say_ms - latency.direct_ms, "<=", 10.0),
        ("token readable after (ms)", latency.readable_ms, "<=", 5.0),
    ]
    print()
    sys.exit(_verdict(checks))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=600, help="runs per contender and round")
    parser.add_argument("--at-once", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=40, help="for the idle latencies")
    return parser.parse_args()


def _round(options: argparse.Namespace) -> dict[str, Figures]:
    return {
        "bare SDK": run_bare(options.runs, options.at_once),
        "plain task": run_plain(options.runs, options.at_once),
        "threadmill": run_threadmill(options.runs, options.at_once),
    }


def _median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(values) for values in zip(*rounds, strict=True)))


def _print(figures: dict[str, Figures]) -> None:
    print(f"{'':12} {'runs/s':>8} {'CPU/token':>11} {'RSS':>8} {'first token':>12}")
    for name, found in figures.items():
        print(
            f"{name:12} {found.runs_per_second:8.1f} {found.cpu_us:8.0f} us "
            f"{found.rss_mb:5.0f} MB {_milliseconds(found.first_ms):>12}"
        )


def _milliseconds(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"


def _verdict(checks: list[tuple[str, float, str, float]]) -> int:
    failed = 0
    for name, value, relation, limit in checks:
        holds = value <= limit if relation == "<=" else value >= limit
        failed += not holds
        print(f"{'ok  ' if holds else 'MISS'} {name}: {value:.2f} ({relation} {limit})")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
