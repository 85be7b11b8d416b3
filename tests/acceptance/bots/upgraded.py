"""Assistants of a service that is upgraded: with all that the last release knew already."""

import asyncio
import os

from threadmill import Assistant, CodeInterpreter, current_call, tool


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def tenant() -> str:
    """Whose call this is."""
    return str(current_call().context["tenant"])


@tool(on_interrupt="retry", timeout=30)
async def dawdle(seconds: float) -> str:
    """Take a while; may be repeated."""
    await asyncio.sleep(seconds)
    return "dawdled"


@tool(needs_approval=True)
def refund(order: int) -> str:
    """Pay an order back."""
    return f"{order} refunded"


clerk = Assistant(
    name="clerk",
    description=os.environ["CLERK"],  # it is changed while the fleet is upgraded
    instructions="You are {{ self_.name }}, and work for {{ context.tenant | default('all') }}.",
    model="gpt-test",
    tools=[add, tenant, dawdle, refund],
    metadata={"team": "a"},
)
plotter = Assistant(name="plotter", model="gpt-test", tools=[CodeInterpreter(memory_limit="1g")])
