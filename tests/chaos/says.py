"""What users say: a text from which follows all that the model does, and so what must come out.

    hot-3 p1-17: turns=pay:0.2+fetch:0.1|note:0.3 tokens=40 delay=0.020

Thread, number, then one turn of tool calls per `|`, then a message of so many tokens.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import NamedTuple

TOOLS = ("pay", "note", "fetch", "sign", "draw")
LOOKING = "Let me look."
"""What the model says before it calls tools."""
TWIN = "The same again."
"""A message that asks for nothing."""
_FORM = re.compile(r"(\S+) (\w+)-(\d+): turns=(\S*) tokens=(\d+) delay=([\d.]+)")


class ToolUse(NamedTuple):
    """One call that the model will ask for."""

    tool: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Say:
    """One message of a user."""

    thread: str
    producer: str
    number: int
    """Counts the says of this producer on this thread, from 0."""
    turns: tuple[tuple[ToolUse, ...], ...] = ()
    tokens: int = 20
    delay: float = 0.02

    @property
    def key(self) -> str:
        """The same for every attempt to say it."""
        return f"{self.thread} {self.producer}-{self.number}"

    @property
    def text(self) -> str:
        turns = "|".join("+".join(f"{u.tool}:{u.seconds}" for u in turn) for turn in self.turns)
        return f"{self.key}: turns={turns} tokens={self.tokens} delay={self.delay:.3f}"

    @property
    def tokens_said(self) -> list[str]:
        return [f"{self.key}:", *(f" {number}" for number in range(1, self.tokens + 1))]

    @property
    def answers(self) -> list[str]:
        """The assistant's messages, if the run completes."""
        return [LOOKING] * len(self.turns) + ["".join(self.tokens_said)]

    @classmethod
    def read(cls, text: str) -> Say | None:
        """The say whose text this is; None: it is none of ours."""
        if not (found := _FORM.fullmatch(text)):
            return None
        thread, producer, number, turns, tokens, delay = found.groups()
        uses = tuple(tuple(map(_tool_use, turn.split("+"))) for turn in turns.split("|") if turn)
        return cls(thread, producer, int(number), uses, int(tokens), float(delay))


def _tool_use(text: str) -> ToolUse:
    tool, _, seconds = text.partition(":")
    return ToolUse(tool, float(seconds))


def invent(dice: random.Random, thread: str, producer: str, number: int) -> Say:
    """A say of random length, with up to two turns of tool calls."""
    turns = tuple(
        tuple(
            ToolUse(dice.choice(TOOLS), round(dice.uniform(0.02, 0.8), 2))
            for _ in range(dice.randint(1, 2))
        )
        for _ in range(dice.choice((0, 0, 1, 1, 2)))
    )
    return Say(thread, producer, number, turns, dice.randint(5, 50), dice.uniform(0.005, 0.04))
