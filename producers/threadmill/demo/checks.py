"""What the demo claims about itself; the demo fails if a claim is false."""

import os

from rich.console import Console

STAND_IN = os.environ.get("THREADMILL_MODEL") == "stand-in"
"""Whether a stand-in answers. Then it is known what must come; a real model is free to differ."""

console = Console(highlight=False)


def check(what: str, holds: object) -> None:
    """Say that something holds.

    Raises:
        AssertionError: it does not.
    """
    if not holds:
        raise AssertionError(f"it does not hold that {what}")
    console.print(f"[green]✓[/] [dim]{what}[/]")
