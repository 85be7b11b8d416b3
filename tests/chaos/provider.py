"""The provider as a process of its own: does what a say asks for, and fails now and then.

    python -m tests.chaos.provider HOST SEED RATE FILE

Prints its port. Histories in which an earlier answer is missing are noted in FILE.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.chaos.says import LOOKING, TWIN, Say

from threadmill.testing import Answer, Call, Fault, Reply, Request, Text
from threadmill.testing.standin.records import RecordLog
from threadmill.testing.standin.rules import RuleSet
from threadmill.testing.standin.server import Service
from threadmill.testing.standin.serving import run, serve

_FAULTS_IN_A_ROW = 3
"""Fewer than a worker's retries: no run may fail because of the provider."""


class Brain:
    """Plays each say to its end; the same request again goes on where a fault stopped it."""

    def __init__(self, seed: str, rate: float, ledger: Ledger) -> None:
        self._seed, self._rate, self._ledger = seed, rate, ledger
        self._asked: Counter[str] = Counter()

    def __call__(self, request: Request) -> Answer:
        say = Say.read(request.last_user_text)
        assert say is not None, f"nobody says {request.last_user_text!r}"
        self._look_back(request)
        reply = _reply(say, request)
        number = self._asked[request.key]
        self._asked[request.key] += 1
        dice = random.Random(f"{self._seed}/{say.key}/{len(request.entries)}/{number}")
        if dice.random() >= self._rate or number % (_FAULTS_IN_A_ROW + 1) == _FAULTS_IN_A_ROW:
            return reply
        fault = _fault(dice, reply)
        self._ledger.add("fault", kind=type(fault).__name__)
        return fault

    def _look_back(self, request: Request) -> None:
        """Each earlier say must be followed by its answers."""
        *before, _ = _conversation(request)
        for say, answers in before:
            if answers != say.answers:
                self._ledger.add("unseen", of=say.key, by=request.last_user_text, found=answers)


def _conversation(request: Request) -> list[tuple[Say, list[str]]]:
    said: list[tuple[Say, list[str]]] = []
    for message in request.messages:
        if message.role == "user" and message.text != TWIN:
            said.append((Say.read(message.text), []))
        elif said:  # the beginning of a long thread may have been left out
            said[-1][1].append(message.text)
    return said


def _reply(say: Say, request: Request) -> Reply:
    done = len(request.tool_outputs)
    for turn in say.turns:
        if not done:
            calls = [Call(use.tool, {"seconds": use.seconds}) for use in turn]
            return Reply([Text(LOOKING), *calls], delay=say.delay)
        done -= len(turn)
    return Reply([Text(say.tokens_said)], delay=say.delay)


def _fault(dice: random.Random, reply: Reply) -> Answer:
    tokens = dice.randint(0, 6)
    return dice.choice(
        [
            Fault.status(429, retry_after=0.2),
            Fault.status(500),
            Fault.status(503),
            Fault.drop(None),
            Fault.drop(tokens, reply=reply),
            Fault.end(tokens, reply=reply),
            Fault.garbage(tokens, reply=reply),
            Fault.event_error(tokens, reply=reply),
        ]
    )


async def _serve(host: str, brain: Brain) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service = Service(brain, delay=0, rules=RuleSet(), records=RecordLog(0))
    await serve(service, host, 0, stop=stop, on_start=lambda port: print(port, flush=True))


if __name__ == "__main__":
    _, host, seed, rate, path = sys.argv
    brain = Brain(seed, float(rate), Ledger(Path(path)))
    run(lambda: _serve(host, brain))
