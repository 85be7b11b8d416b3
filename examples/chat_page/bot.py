"""The assistant. `threadmill worker bot` executes it."""

import time

from threadmill import Assistant

TRAINS = {
    ("Vienna", "Prague"): ["06:10", "08:10", "10:10"],
    ("Vienna", "Trieste"): ["07:25"],
}


def find_trains(start: str, destination: str) -> list[str]:
    """Find today's trains between two cities; returns when they leave."""
    time.sleep(1)  # as long as a real timetable takes
    return TRAINS.get((start, destination), [])


guide = Assistant(
    name="guide",
    instructions="You are the travel desk of a small hotel in Vienna. Be brief.",
    tools=[find_trains],
)
