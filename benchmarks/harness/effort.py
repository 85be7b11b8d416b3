"""How much a measurement does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Effort:
    """How often, and with how much, each contender is measured."""

    rounds: int = 3
    runs: int = 300
    """Per contender and round, of the measurements that execute runs."""
    samples: int = 100
    """Of all rounds together, of the measurements that wait for single calls."""
    with_peers: bool = True

    def limited(self, *, rounds: int | None = None, runs: int | None = None) -> Effort:
        """The same with at most so many."""
        return replace(
            self,
            rounds=min(self.rounds, rounds or self.rounds),
            runs=min(self.runs, runs or self.runs),
        )

    def samples_per_round(self) -> int:
        """How many samples each round takes."""
        return max(1, self.samples // self.rounds)

    def points(self, series: Sequence[int]) -> Sequence[int]:
        """The points of a series that are measured: in a single round, the ends are enough."""
        return series if self.rounds > 1 else (series[0], series[-1])

    def size(self) -> float:
        """How much longer it takes than the usual effort; at least 1."""
        usual = Effort()
        rounds = max(1.0, self.rounds / usual.rounds)
        return rounds * max(1.0, self.runs / usual.runs, self.samples / usual.samples)

    def to_json(self) -> str:
        """For a process of its own."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Effort:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


QUICK = Effort(rounds=1, runs=60, samples=6)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say how much is measured."""
    parser.add_argument("--quick", action="store_true", help="one small round of everything")
    parser.add_argument("--rounds", type=_count, help="in each, every contender is measured once")
    parser.add_argument("--runs", type=_count, help="runs per contender and round")
    parser.add_argument("--samples", type=_count, help="calls, for the latencies of an idle fleet")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="one measurement; can be repeated"
    )


def add_file_option(parser: argparse.ArgumentParser) -> None:
    """The option that says in which file the results are written."""
    parser.add_argument("--json", type=_file, metavar="FILE", help="write the results into it")


def chosen_effort(options: argparse.Namespace, usual: Effort | None = None) -> Effort:
    """What the options say; `usual` is what counts without them."""
    effort = QUICK if options.quick else usual or Effort()
    given = {name: getattr(options, name) for name in ("rounds", "runs", "samples")}
    return replace(effort, **{name: value for name, value in given.items() if value is not None})


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _file(text: str) -> Path:
    """Looked at before anything is measured: that takes minutes."""
    if not Path(text).absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {Path(text).parent}")
    return Path(text)
