"""`make bench`: what threadmill costs, beside its peers.

Each measurement is a module of `measurements/`, and is performed in a process of its own, with a
Redis and a stand-in provider of its own on loopback. In each of its rounds every contender is
measured once. Look at the ratios, and at their spread: absolute figures are those of the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from harness.effort import Effort, add_options, chosen_effort
from harness.lines import result_lines
from harness.machine import surroundings
from harness.results import Result
from harness.runner import ROOT, MeasurementFailedError, chosen_measurements, measure


def main() -> None:
    """Measure, print, and write the results."""
    options = _options()
    before = surroundings(ROOT)
    found, failed = _measure_all(chosen_measurements(options.only), chosen_effort(options))
    if options.json:
        written = before | {"results": [asdict(result) for result in found]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")
    sys.exit(1 if failed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results into it")
    return parser.parse_args()


def _measure_all(names: list[str], effort: Effort) -> tuple[list[Result], int]:
    found: list[Result] = []
    failed = 0
    for name in names:
        begun = time.monotonic()
        try:
            results = measure(name, effort)
        except MeasurementFailedError as error:
            failed += 1
            print(f"\n{name} FAILED: {error}", flush=True)
            continue
        found += results
        print(f"\n{name} ({time.monotonic() - begun:.0f} s)")
        print("\n".join(result_lines(results)), flush=True)
    return found, failed


if __name__ == "__main__":
    main()
