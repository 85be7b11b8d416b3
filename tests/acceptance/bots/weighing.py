"""An assistant whose tools any model may call, with arguments of the few kinds that streams cut."""

from threadmill import Assistant


def weigh(grams: int) -> str:
    """Weigh it."""
    return f"{grams} g"


def paint(colour: str) -> str:
    """Paint it."""
    return f"painted {colour}"


def now() -> str:
    """Tell the time."""
    return "12:00"


weighing = Assistant(name="weighing", instructions="Weigh.", tools=[weigh, paint, now])
