"""`make bench-compare REV=...`: this working tree beside an earlier revision.

The revision's packages are taken out of git into a temporary folder. The measurements are those of
this tree, and so are Python's packages, Redis and the stand-in provider: what differs is
threadmill. In each round both are measured, every second time in the opposite order. Printed are
the medians of both, and the median and the extremes of the ratio within a round.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.effort import Effort, add_file_option, add_options, chosen_effort
from harness.failure import MeasurementFailedError
from harness.lines import number, times
from harness.machine import surroundings
from harness.results import Result, Spread
from harness.runner import PACKAGES, ROOT, chosen_measurements, measure
from harness.signals import exit_on_signals

SMALL = Effort(runs=120, samples=12)
"""Of one of many rounds."""
Key = tuple[str, float | None]
"""The name of a figure, and its point in a series."""


@dataclass
class Pair:
    """A figure of both revisions, one value per round."""

    title: str
    unit: str
    ours: list[float] = field(default_factory=list)
    """Of this working tree."""
    earlier: list[float] = field(default_factory=list)


def main() -> None:
    """Measure both, and print them side by side."""
    options = _options()
    exit_on_signals()
    names = chosen_measurements(options.only)
    compared: dict[Key, Pair] = {}
    failed: list[str] = []
    now = surroundings(ROOT)
    before = now | {"ours": now["revision"], "revision": options.revision}
    with _checked_out(options.revision) as tree:
        for name in names:
            try:
                pairs = _compare(name, tree, options)
            except MeasurementFailedError as error:
                failed.append(name)
                print(f"\n{name} FAILED: {error}", flush=True)
                continue
            print(f"\n{name}: {options.revision} -> this tree")
            print("\n".join(_lines(pairs.values())), flush=True)
            compared |= pairs
    if failed:
        sys.exit(f"\nFailed, so no results are written: {', '.join(failed)}")
    if options.json:
        written = before | {"results": [_written(*one) for one in compared.items()]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", metavar="REV", help="a commit, tag or branch")
    add_options(parser)
    add_file_option(parser)
    parser.set_defaults(rounds=3)
    return parser.parse_args()


@contextlib.contextmanager
def _checked_out(revision: str) -> Iterator[Path]:
    """The packages of the revision, in a folder."""
    command = ["git", "archive", revision, *PACKAGES]
    archived = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archived.returncode:
        sys.exit(f"{revision} is not in this clone: {archived.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="threadmill-bench-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # Python before 3.11.4
                archive.extractall(folder)
        yield Path(folder)


def _compare(name: str, tree: Path, options: argparse.Namespace) -> dict[Key, Pair]:
    effort = replace(chosen_effort(options, SMALL), rounds=1, with_peers=False)
    pairs: dict[Key, Pair] = {}
    for number_of_round in range(options.rounds):
        both = [("earlier", tree), ("ours", ROOT)]
        for side, root in both if number_of_round % 2 == 0 else reversed(both):
            for result in measure(name, effort, root):
                _add(pairs, side, result)
    return pairs


def _add(pairs: dict[Key, Pair], side: str, result: Result) -> None:
    point = "" if result.over is None else f", {result.at:g} {result.over}"
    pair = pairs.setdefault((result.name, result.at), Pair(result.title + point, result.unit))
    (pair.ours if side == "ours" else pair.earlier).append(result.spread.median)


def _written(key: Key, pair: Pair) -> dict[str, Any]:
    name, at = key
    return {"name": name, "at": at} | asdict(pair)


def _lines(pairs: Iterable[Pair]) -> Iterator[str]:
    for pair in pairs:
        if not (pair.ours and pair.earlier):
            yield f"  {pair.title:62} is measured in one of the two only"
            continue
        before, after = (number(Spread.of(one).median) for one in (pair.earlier, pair.ours))
        ratio = Spread.of(a / b for a, b in zip(pair.ours, pair.earlier, strict=True) if b)
        yield f"  {pair.title:62} {before:>9} -> {after:>9} {pair.unit:8} {times(ratio)}"


if __name__ == "__main__":
    main()
