"""Performs measurements, each in a process of its own, with a Redis and a provider of its own.

What is measured is the threadmill that the process finds: this one, or that of another revision.
The Redis and the stand-in provider are always those of this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.effort import Effort
from harness.failure import MeasurementFailedError
from harness.results import Result
from harness.servers import start_redis, start_standin

BENCHMARKS = Path(__file__).parents[1]
ROOT = BENCHMARKS.parent
PACKAGES = ("shared", "workers", "producers")
MEASUREMENTS = {
    path.stem: ".".join(path.relative_to(BENCHMARKS).with_suffix("").parts)
    for path in [*BENCHMARKS.glob("startup.py"), *sorted(BENCHMARKS.glob("measurements/*.py"))]
}
"""Their modules, by name."""
_MOST_SECONDS = 400.0
"""Of a measurement with the usual effort."""
_ENDING_SECONDS = 15.0
_OPEN_FILES = 8192
"""A thousand streams are a thousand connections, in the worker and in the provider."""


def measure(name: str, effort: Effort, tree: Path = ROOT) -> list[Result]:
    """Perform one measurement.

    Args:
        name: of the measurement.
        effort: how much it does.
        tree: the root of the threadmill that is measured.

    Raises:
        MeasurementFailedError: there are no results.
    """
    _allow_open_files()
    with tempfile.NamedTemporaryFile(suffix=".json") as file, start_redis() as redis_url:
        with start_standin() as provider_url:
            environment = _environment(tree, redis_url, provider_url)
            arguments = [MEASUREMENTS[name], effort.to_json(), file.name]
            _perform(arguments, environment, _MOST_SECONDS * effort.size())
        return [Result(**fields) for fields in json.loads(Path(file.name).read_text())]


def chosen_measurements(names: list[str] | None) -> list[str]:
    """These, or all.

    Raises:
        SystemExit: there is no such measurement.
    """
    for name in names or ():
        if name not in MEASUREMENTS:
            sys.exit(f"There is no measurement {name!r}. There are: {', '.join(MEASUREMENTS)}.")
    return names or list(MEASUREMENTS)


def _environment(tree: Path, redis_url: str, provider_url: str) -> dict[str, str]:
    paths = [BENCHMARKS, *(tree / package for package in PACKAGES)]
    others = {name: value for name, value in os.environ.items() if name[:11] != "THREADMILL_"}
    others.pop("PYTHONDONTWRITEBYTECODE", None)
    return others | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "THREADMILL_REDIS_URL": redis_url,
        "OPENAI_BASE_URL": provider_url,
        "OPENAI_API_KEY": "none",
    }


def _perform(arguments: list[str], environment: dict[str, str], seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.one", *arguments],
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise MeasurementFailedError(f"not done after {seconds:.0f} s") from None
    finally:
        _end_session(process)
    if process.returncode:
        raise MeasurementFailedError(errors.strip())


def _end_session(process: subprocess.Popen[str]) -> None:
    """Let it end, and end what it has started and could not end itself."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
