"""`python -m harness.one MODULE EFFORT FILE`: one measurement, in this process."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from harness.effort import Effort
from harness.signals import exit_on_signals


def main(module: str, effort: str, file: str) -> None:
    """Measure, and write the results into the file."""
    exit_on_signals()
    found = import_module(module).measure(Effort.from_json(effort))
    Path(file).write_text(json.dumps([asdict(result) for result in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
