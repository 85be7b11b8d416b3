"""The figures of this revision beside those of an earlier one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.results import Spread


class Compared:
    """What one run of `make bench-compare` has found."""

    def __init__(self, file: Path) -> None:
        """Read it.

        Args:
            file: what `compare.py --json` has written.
        """
        found: dict[str, Any] = json.loads(file.read_text())
        self._results = {result["name"]: result for result in found.pop("results")}
        self.surroundings = found

    def ratio(self, name: str) -> Spread:
        """How many times the earlier revision's figure ours is; each ratio is that of one round.

        Raises:
            KeyError: it was not measured.
        """
        both = self._results[name]
        return Spread.of(
            ours / before for ours, before in zip(both["ours"], both["earlier"], strict=True)
        )
