"""Writes `docs/performance.md`, its plots and the README's figures from what was measured.

`make bench-page` measures and then calls it. The texts are the templates in `pages/`; all figures
come from `docs/performance/figures.json`, which `bench.py --json` writes, and from `compared.json`
beside it, which `compare.py --json` writes.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

import jinja2
from harness.runner import BENCHMARKS, ROOT
from pages.compared import Compared
from pages.goals import Goals
from pages.measured import Measured
from pages.plots import lines_of, plot
from pages.sizing import Sizing

FIGURES = ROOT / "docs" / "performance" / "figures.json"
PAGE = ROOT / "docs" / "performance.md"
COMPARED = FIGURES.with_name("compared.json")
README = ROOT / "README.md"
MARKED = re.compile(r"(?<=<!-- figures -->).*?(?=<!-- end of figures -->)", re.DOTALL)


class Plot(NamedTuple):
    """What a plot shows."""

    title: str
    figure: str
    ours: str = "threadmill"
    """The name of our line in the legend."""
    with_peers: bool = True


PLOTS = {
    "streams": Plot("CPU per token of the worker, µs", "streams.cpu"),
    "redis": Plot("CPU per token of Redis, µs", "streams.redis_cpu"),
    "history": Plot(
        "CPU of the worker for a say, ms", "history.worker_cpu", "last 20 sent", with_peers=False
    ),
    "threads": Plot("CPU of the worker for a short run, ms", "threads.worker_cpu"),
    "lines": Plot("CPU of the worker for a run, ms", "line.worker_cpu", "in one line"),
    "workers": Plot("short runs per second", "workers.rate"),
}
"""By the file's name."""


def main() -> None:
    """Write the files, or check that they are as they would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if a file differs")
    options = parser.parse_args()
    try:
        written = files(Measured(FIGURES), Compared(COMPARED))
    except (KeyError, FileNotFoundError) as error:
        sys.exit(f"{error.args[0] if isinstance(error, KeyError) else error} Run: make bench-page")
    differing = [path for path, text in written.items() if not _is(path, text)]
    if options.check:
        for path in differing:
            print(f"{path.relative_to(ROOT)} differs: python benchmarks/report.py")
        sys.exit(1 if differing else 0)
    for path in differing:
        path.write_text(written[path])
        print(f"{path.relative_to(ROOT)} written")


def files(measured: Measured, compared: Compared) -> dict[Path, str]:
    """All files that follow from the figures, with their texts."""
    page, line = (
        _rendered(template, measured, compared)
        for template in ("performance.md.jinja", "readme.md.jinja")
    )
    made = {PAGE: page, README: MARKED.sub(lambda _: line.strip(), README.read_text(), count=1)}
    for name, shown in PLOTS.items():
        results = measured.series(shown.figure)
        lines = lines_of(shown.ours, results, with_peers=shown.with_peers)
        made[FIGURES.with_name(f"{name}.svg")] = plot(shown.title, results[0].over or "", lines)
    return made


def _rendered(template: str, measured: Measured, compared: Compared) -> str:
    loader = jinja2.FileSystemLoader(BENCHMARKS / "pages")
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,
    )
    return environment.get_template(template).render(
        m=measured,
        sizing=Sizing(measured),
        goals=Goals(measured, compared),
        compared=compared.surroundings,
        **measured.surroundings,
    )


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    main()
