"""How long, how much, and what is asked for at the end."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """All that can be chosen."""

    seed: str
    seconds: float
    workers: int
    leaves: int
    producers: int
    outstanding: int
    gateways: int
    web_threads: int
    pause: float
    provider_faults: float
    measured_kills: int
    measured_freezes: int
    kills: int
    freezes: int
    runs: int
    taken_over: int
    cut_streams: int
    most_seconds: float
    quiet_seconds: float
    folder: str
    inside: bool
    leaf: list[str]


def read(arguments: Sequence[str] | None = None) -> Options:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Workers, producers, a provider and a Redis that fail at random; at the end "
        "nothing may be lost, doubled or stuck.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--seed",
        default=str(random.randrange(1_000_000)),
        help="which faults, and when",
    )
    add("--seconds", type=float, default=300, help="how long they are injected at least")
    add("--most-seconds", type=float, default=1500, help="... and at most, whatever is missing")
    add("--kills", type=int, default=100, help="workers to kill at least")
    add("--freezes", type=int, default=100, help="workers to freeze at least")
    add("--runs", type=int, default=3000, help="runs to begin at least")
    add("--taken-over", type=int, default=100, help="fewer runs taken over are too few")
    add("--cut-streams", type=int, default=20, help="fewer streams that went on are too few")
    add("--measured-kills", type=int, default=50, help="kills one by one, for exact times")
    add("--measured-freezes", type=int, default=6, help="the same with SIGSTOP and network cuts")
    add("--workers", type=int, default=8, help="worker processes")
    add("--leaves", type=int, default=2, help="how many of them can be cut off from Redis")
    add("--producers", type=int, default=3, help="producer processes")
    add("--outstanding", type=int, default=15, help="runs that a producer has under way")
    add("--gateways", type=int, default=2, help="gateway processes")
    add("--web-threads", type=int, default=12, help="threads of the program that speaks HTTP")
    add("--pause", type=float, default=0.9, help="mean seconds from one fault to the next")
    add("--provider-faults", type=float, default=0.1, help="share of requests that fail")
    add("--quiet-seconds", type=float, default=90, help="limit for all runs to end afterwards")
    add(
        "--folder",
        default="",
        help="where logs and ledgers stay; default: they are removed unless a check fails",
    )
    add("--inside", action="store_true", help=argparse.SUPPRESS)
    add("--leaf", action="append", default=[], help=argparse.SUPPRESS)
    return Options(**vars(parser.parse_args(arguments)))
