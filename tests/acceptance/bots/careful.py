"""An assistant with tools that somebody has to approve; each says who executed it."""

import os
import time
from pathlib import Path

from threadmill import Assistant, tool


@tool(needs_approval=True)
def refund(order: int) -> str:
    """Pay an order back."""
    return f"{order} refunded by {os.getpid()}"


@tool(needs_approval=True)
def ship(seconds: float) -> str:
    """Send something; that takes a while."""
    time.sleep(seconds)
    return "shipped"


@tool(needs_approval=True)
def pack(mark: str) -> str:
    """Pack something; that takes a minute, and the file shows that it has begun."""
    Path(mark).touch()
    time.sleep(60)
    return "packed"


def look_up(order: int) -> str:
    """Look an order up; nobody needs to approve that."""
    return f"{order} looked up by {os.getpid()}"


ai = Assistant("careful", tools=[refund, ship, pack, look_up])
