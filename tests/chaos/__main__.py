"""`python -m tests.chaos`: faults at random, and proof that nothing was lost.

It makes networks of its own where it may, and plays inside them.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys

from tests.chaos import networks, options
from tests.chaos.experiment import perform


def main() -> int:
    chosen = options.read()
    if chosen.inside:
        return _inside(chosen)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    more = ["--inside", "--seed", chosen.seed]
    if not chosen.leaves or not networks.are_possible():
        return _play(more)
    with networks.Networks(chosen.leaves) as net:
        leaves = [f"--leaf={leaf.namespace}/{leaf.cable}" for leaf in net.leaves]
        return _play([*more, *leaves], net.prefix)


def _play(more: list[str], prefix: tuple[str, ...] = ()) -> int:
    command = [*prefix, sys.executable, "-m", "tests.chaos", *sys.argv[1:], *more]
    process = subprocess.Popen(command)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def _inside(chosen: options.Options) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    logging.getLogger("threadmill").setLevel(logging.ERROR)  # it warns of each absence of Redis
    summary = perform(chosen)
    print(summary.text(), flush=True)
    return 1 if summary.failures() else 0


if __name__ == "__main__":
    sys.exit(main())
