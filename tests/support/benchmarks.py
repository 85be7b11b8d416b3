"""The benchmarks' modules: they are scripts, not a package, and found in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_found(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a test import them."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return BENCHMARKS
