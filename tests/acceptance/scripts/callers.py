"""A script with functions of its own, which no worker has loaded; other processes may import it.

It enqueues what it is told, prints the run's id, and waits for its end.
"""

import os
import sys
import time
from pathlib import Path

from threadmill import Assistant, Run, tool


@tool
def note(path: str, seconds: float = 0) -> str:
    """Write a line into a file, and give this process's id after so many seconds."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return str(os.getpid())


@tool(on_interrupt="retry")
def note_again(path: str, seconds: float = 0) -> str:
    """The same; it may be repeated, and then takes no time."""
    return note(path, 0 if Path(path).exists() else seconds)


@tool(on_interrupt="fail")
def note_once(path: str, seconds: float = 0) -> str:
    """The same; where it is interrupted, its run is to fail."""
    return note(path, seconds)


@tool
async def note_blocking(path: str, seconds: float) -> str:
    """The same; it holds up the loop that it runs on."""
    return note(path, seconds)


ai = Assistant("caller", tools=[note, note_again, note_once, note_blocking])

if __name__ == "__main__":
    from tests.acceptance.scripts import callers  # the module, not the script: others find it too

    what = sys.argv[1]
    run = Run.load(what) if what.startswith("run_") else callers.ai.enqueue(what)
    print(run.id, flush=True)
    run.wait()
    print(run.status, run.text, flush=True)
