"""`python -m harness.one MODULE EFFORT FILE`: one measurement, in this process."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from harness.effort import Effort


def main(module: str, effort: str, file: str) -> None:
    """Measure, and write the results into the file."""
    found = import_module(module).measure(Effort.from_json(effort))
    Path(file).write_text(json.dumps([asdict(result) for result in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
