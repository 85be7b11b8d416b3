"""An assistant with tools that somebody has to approve; each says who executed it."""

import os

from threadmill import Assistant, tool


@tool(needs_approval=True)
def refund(order: int) -> str:
    """Pay an order back."""
    return f"{order} refunded by {os.getpid()}"


def look_up(order: int) -> str:
    """Look an order up; nobody needs to approve that."""
    return f"{order} looked up by {os.getpid()}"


ai = Assistant("careful", tools=[refund, look_up])
