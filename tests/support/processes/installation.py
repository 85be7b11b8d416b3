"""The built wheel, installed into empty environments by pip as users have it configured."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tests.support.environment import stretched
from tests.support.paths import ROOT

_INSTALL_SECONDS = 300
_OF_EXAMPLES = ("pytest", "fastapi", "uvicorn")


class Installed:
    """A virtual environment with threadmill in it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")

    def run(
        self, *command: str, folder: Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there; its first word is looked for in the environment first."""
        program, *arguments = command
        found = self.bin / program
        return subprocess.run(
            [str(found) if found.exists() else program, *arguments],
            cwd=folder,
            env=_clean({**os.environ, **(environment or {})}),
            capture_output=True,
            text=True,
            timeout=stretched(60),
            check=False,
        )


class Installations:
    """Builds the wheel, and installs it twice at the same time: as it is, and with extras."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._executor = ThreadPoolExecutor(2)
        wheel = self._build()
        self._base = self._begin("base", str(wheel))
        self._embedded = self._begin("embedded", f"{wheel}[embedded]", *_OF_EXAMPLES)

    @property
    def base(self) -> Installed:
        """`pip install threadmill`"""
        return self._base.result()

    @property
    def embedded(self) -> Installed:
        """`pip install threadmill[embedded]`, and what the examples and their tests need"""
        return self._embedded.result()

    def close(self) -> None:
        self._executor.shutdown()

    def _build(self) -> Path:
        wheels = self._folder / "wheel"
        pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
        _succeed(*pip, "--wheel-dir", str(wheels), str(ROOT))
        [wheel] = wheels.glob("*.whl")
        return wheel

    def _begin(self, name: str, *wanted: str) -> Future[Installed]:
        return self._executor.submit(self._install, self._folder / name, wanted)

    def _install(self, folder: Path, wanted: tuple[str, ...]) -> Installed:
        # With the pip of this environment, and compiling what is imported only: half the time.
        _succeed(sys.executable, "-m", "venv", "--without-pip", str(folder))
        installed = Installed(folder)
        pip = [sys.executable, "-m", "pip", "--python", installed.python]
        _succeed(*pip, "install", "--quiet", "--no-compile", *wanted)
        return installed


def _succeed(*command: str) -> None:
    ended = subprocess.run(
        command,
        env=_clean(dict(os.environ)),
        capture_output=True,
        text=True,
        timeout=_INSTALL_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def _clean(environment: dict[str, str]) -> dict[str, str]:
    """Without what would let modules of this checkout in."""
    return {name: value for name, value in environment.items() if name != "PYTHONPATH"}
