"""What the scripts beside it talk to; in half of the tests a worker has loaded it as well."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from threadmill import Assistant, Run

WORDS = ("one", "three", "eleven")


def length(text: str) -> int:
    """Count letters."""
    return len(text)


def wish(word: str) -> str:
    """What makes the stand-in call the tool."""
    return f'call length {{"text": "{word}"}}'


def tell(who: str, runs: Iterable[Run]) -> None:
    """One line about all runs, for the test; written at once, since others write too."""
    sys.stdout.write(f"{who}: {' '.join(run.text for run in runs)}\n")
    sys.stdout.flush()


scribe = Assistant(name="scribe", instructions="Count.", tools=[length])
