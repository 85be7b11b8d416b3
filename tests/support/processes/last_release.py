"""The last release, from git history, in a virtual environment of its own."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from tests.support.paths import ROOT

LAST_RELEASE = "84217956dbcc373f48b0feafc5c05e12a2ef8c74"
"""The commit that this tree has to get on with, on one store, as producer and as worker."""
_PACKAGES = {
    "threadmill_shared": "shared",
    "threadmill": "producers",
    "threadmill_workers": "workers",
}


def last_release(folder: Path) -> str:
    """The interpreter of an environment in which the last release is installed.

    It has the dependencies of the present environment. Without a history the test is skipped.
    """
    source = folder / "source"
    with zipfile.ZipFile(io.BytesIO(_archive())) as archive:
        archive.extractall(source)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    scheme = {"base": str(environment), "platbase": str(environment)}
    own = Path(sysconfig.get_path("purelib", "venv", scheme))
    # A .pth file adds folders and reads no other .pth files in them: this tree's is not followed.
    places = [*(source / place for place in _PACKAGES.values()), sysconfig.get_path("purelib")]
    (own / "last_release.pth").write_text("\n".join(map(str, places)))
    python = str(Path(sysconfig.get_path("scripts", "venv", scheme)) / "python")
    _check(python, source)
    return python


def _archive() -> bytes:
    if shutil.which("git") is None:
        if "CI" in os.environ:
            pytest.fail("CI lacks git; .ci/run should have installed it")
        pytest.skip("git is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("this tree has no git history")
    git = ["git", "-C", str(ROOT)]
    shallow = subprocess.run(
        [*git, "rev-parse", "--is-shallow-repository"], capture_output=True, check=True, text=True
    )
    archive = [*git, "archive", "--format=zip", LAST_RELEASE, *_PACKAGES.values()]
    made = subprocess.run(archive, capture_output=True, check=False)
    if made.returncode != 0 and shallow.stdout.strip() == "true":
        pytest.skip(f"this git history does not go back to {LAST_RELEASE}")
    assert made.returncode == 0, made.stderr.decode()
    return made.stdout


def _check(python: str, source: Path) -> None:
    """What is tested as the last release has to be it."""
    for package, place in _PACKAGES.items():
        show = f"import {package}; print({package}.__file__)"
        found = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == str(source / place / package / "__init__.py")
