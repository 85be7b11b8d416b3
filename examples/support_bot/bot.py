"""The assistant. `threadmill worker bot` executes it."""

from typing import Annotated

import shop
from pydantic import Field

from threadmill import Assistant, EndRun, current_call, tool


def find_order(number: int) -> dict[str, str]:
    """Look up one of the customer's orders."""
    order = _order_of_the_customer(number)
    return {"status": order.status, "price": f"{order.cents / 100:.2f} EUR"}


@tool(timeout=10, on_interrupt="retry")
async def refund(number: int, percent: Annotated[int, Field(ge=1, le=50)]) -> str:
    """Pay a part of an order's price back, at most half of it."""
    order = _order_of_the_customer(number)
    cents = order.cents * percent // 100
    # The key is the same when a worker dies here and another one calls this again.
    shop.refund(order, cents, key=current_call().idempotency_key)
    return f"{cents / 100:.2f} EUR are on their way back"


def call_a_human(reason: str) -> None:
    """Hand the conversation over to a colleague, and stop."""
    raise EndRun(data={"reason": reason})


def _order_of_the_customer(number: int) -> shop.Order:
    # Who is asking comes from the web service, never from the model.
    order = shop.ORDERS.get(number)
    if order is None or order.customer != current_call().context["customer"]:
        raise LookupError(f"The customer has no order {number}.")
    return order


support = Assistant(
    name="support",
    instructions=(
        "You help the customer {{ context.customer }} of a small shop. Be brief. "
        "Call a human when the customer is angry."
    ),
    tools=[find_order, refund, call_a_human],
)
