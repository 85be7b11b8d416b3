"""How much a measurement does."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Effort:
    """How often, and with how much, each contender is measured."""

    rounds: int = 3
    runs: int = 300
    """Per contender and round, of the measurements that execute runs."""
    samples: int = 60
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
    parser.add_argument("--rounds", type=int, help="in each, every contender is measured once")
    parser.add_argument("--runs", type=int, help="runs per contender and round")
    parser.add_argument("--samples", type=int, help="calls, for the latencies of an idle fleet")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="one measurement; can be repeated"
    )


def chosen_effort(options: argparse.Namespace, usual: Effort | None = None) -> Effort:
    """What the options say; `usual` is what counts without them."""
    effort = QUICK if options.quick else usual or Effort()
    given = {name: getattr(options, name) for name in ("rounds", "runs", "samples")}
    return replace(effort, **{name: value for name, value in given.items() if value is not None})
