"""What the demo claims about itself; the demo fails if a claim is false."""

import os

from rich.console import Console

STAND_IN = os.environ.get("THREADMILL_MODEL") == "stand-in"
"""Whether a stand-in answers. Then the answers are known; a real model may differ."""

console = Console(highlight=False)


def check(what: str, holds: object) -> None:
    """Print a claim that holds.

    Raises:
        AssertionError: the claim does not hold.
    """
    if not holds:
        raise AssertionError(f"this is not true: {what}")
    console.print(f"[green]✓[/] [dim]{what}[/]")
