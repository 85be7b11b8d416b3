"""What happened outside the store: lines of JSON in a file that every process appends to.

One `write` per line to a file opened with O_APPEND: lines of several processes do not mix, and a
line that was written outlives its process. Restarts of Redis do not touch it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """Appends lines, and reads those that are new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._read = 0

    def add(self, what: str, **fields: Any) -> None:
        line = json.dumps({"what": what, "at": time.time(), **fields}) + "\n"
        os.write(self._file, line.encode())

    def new_lines(self) -> list[Line]:
        """The lines since the last call; one that is still being written comes the next time."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]
