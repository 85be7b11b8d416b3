"""An assistant with tools that somebody has to approve; each says who executed it."""

import os
import time

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


def look_up(order: int) -> str:
    """Look an order up; nobody needs to approve that."""
    return f"{order} looked up by {os.getpid()}"


ai = Assistant("careful", tools=[refund, ship, look_up])
