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

from harness.effort import Effort, add_file_option, add_options, chosen_effort
from harness.failure import MeasurementFailedError
from harness.lines import result_lines
from harness.machine import surroundings
from harness.results import Result
from harness.runner import ROOT, chosen_measurements, measure
from harness.signals import exit_on_signals


def main() -> None:
    """Measure, print, and write the results."""
    options = _options()
    exit_on_signals()
    before, effort = surroundings(ROOT), chosen_effort(options)
    found, failed = _measure_all(chosen_measurements(options.only), effort)
    if failed:
        sys.exit(f"\nFailed, so no results are written: {', '.join(failed)}")
    if options.json:
        written = before | {"effort": asdict(effort), "results": [asdict(one) for one in found]}
        options.json.write_text(json.dumps(written, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    add_file_option(parser)
    return parser.parse_args()


def _measure_all(names: list[str], effort: Effort) -> tuple[list[Result], list[str]]:
    """What was found, and the measurements that have failed."""
    found: list[Result] = []
    failed: list[str] = []
    for name in names:
        begun = time.monotonic()
        try:
            results = measure(name, effort)
        except MeasurementFailedError as error:
            failed.append(name)
            print(f"\n{name} FAILED: {error}", flush=True)
            continue
        found += results
        print(f"\n{name} ({time.monotonic() - begun:.0f} s)")
        print("\n".join(result_lines(results)), flush=True)
    return found, failed


if __name__ == "__main__":
    main()
