"""What starting costs: imports, a script's first enqueue, the embedded script, the commands."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.effort import Effort
from harness.ended import ended
from harness.results import Figure, Result, Values, results
from harness.rounds import alternate

from threadmill.embedded.server import FOLDER, end_server

CELERY, PYDANTIC = "Celery", "pydantic"
FIGURES = (
    Figure("startup.import", "from threadmill import Assistant", "ms CPU", (CELERY, PYDANTIC)),
    Figure("startup.help", "threadmill --help; Celery: its import", "ms CPU", (CELERY,)),
    Figure("startup.enqueue", "script start to the first enqueue stored", "ms", (CELERY,)),
    Figure("startup.enqueue_cpu", "the same, CPU of the process", "ms CPU", (CELERY,)),
    Figure("startup.status", "threadmill status, no worker", "ms CPU"),
    Figure("startup.doctor", "threadmill doctor, no worker", "ms CPU"),
    Figure("startup.dice", "embedded script, start to prompt back", "ms"),
    Figure("startup.dice_end", "of it, after the last line", "ms"),
    Figure("startup.dice_cpu", "of it, CPU of the script", "ms CPU"),
)
STARTS = 3
"""Of each process in a round; the median counts. In a single round, one."""

LAST_LINE = """
import sys, time
print("last line", time.monotonic(), file=sys.stderr)
"""
IMPORT = "from threadmill import Assistant"
IMPORT_CELERY = "from celery import Celery"
IMPORT_PYDANTIC = "import pydantic\nclass Model(pydantic.BaseModel):\n    name: str"
ENQUEUE = """
from threadmill import Assistant
Assistant("Marvin", "Be brief.").enqueue("Hello!")
"""
SEND_TASK = """
import os
from celery import Celery
app = Celery("bare", broker=os.environ["THREADMILL_REDIS_URL"])
app.send_task("bare.task", args=["Hello!"], queue="bare")
"""
DICE = """
import random
from threadmill import Assistant
def roll_dice(n_dice: int) -> list[int]:
    "Roll some dice."
    return [random.randint(1, 6) for _ in range(n_dice)]
ai = Assistant(name="Marvin", instructions="You roll dice.", tools=[roll_dice])
ai.say("Please roll five dice")
"""


@dataclass(frozen=True)
class Process:
    """One process from its start to its end, in milliseconds."""

    cpu: float
    wall: float
    last_line: float
    """When its last line was reached, if it says so."""


def measure(effort: Effort) -> list[Result]:
    """Start each process a few times in every round, after once that fills the caches."""
    contenders = {"threadmill": _ours, CELERY: _celery, PYDANTIC: _pydantic}
    for contender in contenders.values():
        contender(starts=1)
    starts = STARTS if effort.rounds > 1 else 1
    found = {name: partial(contender, starts=starts) for name, contender in contenders.items()}
    return results(FIGURES, alternate(effort, found))


def _ours(starts: int) -> Values:
    script = _median(starts, partial(_run, ["-c", ENQUEUE + LAST_LINE]))
    dice = _median(starts, _run_embedded)
    command = ["-m", "threadmill"]
    return {
        "startup.import": _median(starts, partial(_run, ["-c", IMPORT])).cpu,
        "startup.help": _median(starts, partial(_run, [*command, "--help"])).cpu,
        "startup.enqueue": script.last_line,
        "startup.enqueue_cpu": script.cpu,
        "startup.status": _median(starts, partial(_run, [*command, "status"])).cpu,
        "startup.doctor": _median(starts, partial(_run, [*command, "doctor"], status=1)).cpu,
        "startup.dice": dice.wall,
        "startup.dice_end": dice.wall - dice.last_line,
        "startup.dice_cpu": dice.cpu,
    }


def _celery(starts: int) -> Values:
    script = _median(starts, partial(_run, ["-c", SEND_TASK + LAST_LINE]))
    imported = _median(starts, partial(_run, ["-c", IMPORT_CELERY])).cpu
    return {
        "startup.import": imported,
        "startup.help": imported,
        "startup.enqueue": script.last_line,
        "startup.enqueue_cpu": script.cpu,
    }


def _pydantic(starts: int) -> Values:
    return {"startup.import": _median(starts, partial(_run, ["-c", IMPORT_PYDANTIC])).cpu}


def _run_embedded() -> Process:
    environment = {k: v for k, v in os.environ.items() if k != "THREADMILL_REDIS_URL"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return _run(["-c", DICE + LAST_LINE], environment=environment, folder=folder)
        finally:
            end_server(Path(folder) / FOLDER)


def _run(
    command: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    folder: str = ".",
    status: int = 0,
) -> Process:
    """One process, from its start to its end.

    Raises:
        RuntimeError: it has ended with another status, so it has not done what is measured.
    """
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended(process):
        assert process.stderr is not None
        said = process.stderr.read()
        _, how, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(how)
    if process.returncode != status:
        raise RuntimeError(f"{command} has ended with status {process.returncode}: {said}")
    return Process(
        cpu=(used.ru_utime + used.ru_stime) * 1000,
        wall=wall * 1000,
        last_line=_last_line(said, begun) * 1000,
    )


def _last_line(said: str, begun: float) -> float:
    """Seconds from the begin until the last line was reached; 0 if it does not say so."""
    times = [float(line.split()[-1]) for line in said.splitlines() if line.startswith("last line")]
    return times[0] - begun if times else 0.0


def _median(starts: int, start: Callable[[], Process]) -> Process:
    found = [start() for _ in range(starts)]
    return Process(
        cpu=statistics.median(one.cpu for one in found),
        wall=statistics.median(one.wall for one in found),
        last_line=statistics.median(one.last_line for one in found),
    )
