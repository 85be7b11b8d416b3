"""On what was measured: the machine, the versions, the revision."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from harness.runner import PACKAGES

from threadmill.embedded.server import find_program

_PACKAGES = ("celery", "kombu", "redis", "hiredis", "openai", "pydantic", "uvloop")


def surroundings(root: Path) -> dict[str, Any]:
    """All that a reader must know to compare figures."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "revision": revision(root),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 1e9),
            "system": f"{platform.system()} {platform.release()}",
            "load": round(os.getloadavg()[0], 1),
        },
        "versions": {
            "python": platform.python_version(),
            "server": _server_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    }


def revision(root: Path) -> str:
    """The commit that changed the packages last; with a plus if something has changed since."""
    try:
        changed = _git(root, "status", "--porcelain", "--", *PACKAGES)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # not a clone, or git is missing
    return _git(root, "log", "-1", "--format=%h", "--", *PACKAGES) + ("+" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = (line.partition(":") for line in info.read_text().splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == "model name"), "?")


def _server_version() -> str:
    asked = subprocess.run(
        [find_program(), "--version"], capture_output=True, text=True, check=True
    )
    program, _, told = asked.stdout.partition(" server v=")
    return f"{program} {told.partition(' ')[0]}"
