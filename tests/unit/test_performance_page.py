"""The figures in the documents are those that were measured last."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "docs" / "performance" / "figures.json"


def test_the_page_its_plots_and_the_readme_show_the_figures_that_are_stored() -> None:
    command = [sys.executable, "benchmarks/report.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stored_figures_say_on_what_they_were_measured() -> None:
    stored = json.loads(FIGURES.read_text())
    assert {"date", "revision", "machine", "versions"} <= stored.keys()
    assert all(result["values"] for result in stored["results"])
