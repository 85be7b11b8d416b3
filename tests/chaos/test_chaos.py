"""Half a minute of chaos. `make chaos` has more of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.support.paths import ROOT

SEED = "1"
SHORT = [
    *("--seconds", "10", "--most-seconds", "60", "--quiet-seconds", "20"),
    *("--workers", "5", "--leaves", "1", "--pause", "0.5"),
    *("--measured-kills", "5", "--measured-freezes", "2"),
    *("--kills", "10", "--freezes", "4", "--runs", "80", "--taken-over", "10"),
    *("--web-threads", "8", "--cut-streams", "0"),
]
_LIMIT = 300
_TIDY_SECONDS = 20


@pytest.mark.timeout(_LIMIT + _TIDY_SECONDS + 10)
def test_nothing_is_lost_or_doubled_or_stuck_whatever_fails(
    report: Callable[[str], None],
) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", SEED, *SHORT]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output, _ = process.communicate(timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        process.terminate()  # it takes its networks and its processes with it
        output, _ = process.communicate(timeout=_TIDY_SECONDS)
    report(f"chaos\n{output}")
    assert process.returncode == 0, f"{' '.join(command)}\n{output}"
