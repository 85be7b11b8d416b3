"""The shop: customers and their orders. A real one would ask its database."""

from dataclasses import dataclass


@dataclass
class Order:
    number: int
    customer: str
    status: str
    cents: int


ORDERS = {
    1001: Order(1001, "ada", "shipped", 2599),
    1002: Order(1002, "ada", "in the warehouse", 1250),
    2001: Order(2001, "grace", "delivered", 9900),
}

refunded: dict[str, int] = {}
"""Amounts by the key of the refund, so that none is paid twice."""


def refund(order: Order, cents: int, key: str) -> None:
    refunded[key] = cents
    order.status = "refunded"
