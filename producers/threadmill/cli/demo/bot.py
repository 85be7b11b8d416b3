"""The demo's assistant and its tool. `threadmill worker threadmill.cli.demo.bot` executes them."""

import random

from threadmill import Assistant


def roll_dice(n_dice: int) -> list[int]:
    """Roll some dice, and tell what they show."""
    return [random.randint(1, 6) for _ in range(n_dice)]  # noqa: S311  dice, no secrets


marvin = Assistant(
    name="Marvin",
    instructions="You are {{ self_.name }}. Roll dice, and be brief.",
    tools=[roll_dice],
)
