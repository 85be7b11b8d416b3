"""Sends commands to the server and to the model, and looks at all that is stored after each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine
from tests.support.state_machine.commands import CHANGING, OUTCOMES, Command, Commands
from tests.support.state_machine.invariants import broken, differences
from tests.support.state_machine.model import Answer, Model, Run
from tests.support.state_machine.order import Order
from tests.support.state_machine.server import Server
from tests.support.store.contents import Contents, Stored, read_dump

from threadmill_shared.ids import bucket_of

NAMESPACE = "tm"
WORKERS = ("host:1:aaaa", "host:2:bbbb", "host:1:cccc")
REPEATED = {"ok": "again", "dispatch": "again", "claimed": "again", "cancelled": "ended"}
"""What a call is answered that comes a second time, after an answer that was lost."""


class Luck(NamedTuple):
    """What happens to a call on its way, and to what follows from it."""

    answer_is_lost: bool
    """The caller sends the same call again."""
    deliveries: int
    """How often the Celery message that follows from the answer is delivered."""


CALM = Luck(answer_is_lost=False, deliveries=1)
LUCKLESS = Luck(answer_is_lost=True, deliveries=1)


class Attempt(NamedTuple):
    """A token that was given out; its holder may have lost the run since."""

    run_id: str
    holder: str
    token: str


@dataclass
class Counts:
    """How often each outcome and each transition was seen, over all examples."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    examples: int = 0


class Driver(RuleBasedStateMachine):
    """A state machine without rules: it sends, compares with the model, and remembers."""

    def __init__(self, server: Server, counts: Counts) -> None:
        super().__init__()
        self.server = server
        self.counts = counts
        self.commands = Commands(NAMESPACE)
        self.model = Model()
        self.order = Order()
        self.attempts: list[Attempt] = []
        self.sent: list[Command] = []
        self.made = 0
        self.before = read_dump(NAMESPACE, [])
        self.is_sound = True

    # ---- one call ------------------------------------------------------------------------------

    def send(self, command: Command, luck: Luck) -> Answer:
        """Send a command, and once more where its answer is lost; deliver the run that it names."""
        answer = self._send(command)
        self.sent.append(command)
        if luck.answer_is_lost:
            repeated = self._send(command)
            word = REPEATED.get(answer[0])
            if command.script == "lease_call" and word is not None:
                word = "kept"
            if word is not None:
                assert repeated[0] == word, f"{answer} was repeated as {repeated}"
                assert _run_to_send(command, repeated) == _run_to_send(command, answer)
            answer = repeated
        if run_id := _run_to_send(command, answer):
            for _ in range(luck.deliveries):
                claim = self.commands.claim(run_id, self.worker(), self.new("claim"))
                for _ in range(2 if luck.answer_is_lost else 1):
                    self._send(claim)
        return answer

    def _send(self, command: Command) -> Answer:
        with self._judged():
            answer = self.server.send(command)
            note(f"    {command} -> {answer}")
            wanted = self.model.answer(command)
            self._count(command, answer)
            assert _alike(answer, wanted), f"{command}\nought to answer {wanted}, not {answer}"
            contents = self.server.contents()
            if (command.script, answer[0]) not in CHANGING:
                is_same = _without_marks(contents) == _without_marks(self.before)
                assert is_same, f"{command} changed something, and said {answer}"
            self._remember(command, answer, contents)
            self._check(contents)
        if command.script == "delete_thread" and answer[0] == "ok":
            self._remove_runs(command.args["thread_id"])
        return answer

    def _count(self, command: Command, answer: Answer) -> None:
        assert answer[0] in OUTCOMES[command.script].split(), (command.script, answer)
        self.counts.outcomes[command.script, answer[0]] += 1
        self.counts.calls += 1

    def _remember(self, command: Command, answer: Answer, contents: Contents) -> None:
        if command.script == "enqueue" and answer[0] in ("dispatch", "waiting"):
            self.order.enqueued(command.args["thread_id"], command.args["run_id"])
        if answer[0] == "claimed":
            run = self.model.runs[command.args["run_id"]]
            self.attempts.append(Attempt(run.id, run.holder, run.token))
            late = self.order.begins(contents, run.thread, run.id)
            assert not late, f"I5: {run.id} begins before {late} have ended"

    def _check(self, contents: Contents) -> None:
        wrong = differences(self.model, contents)
        if contents is not self.before:
            wrong = broken(contents) + wrong
        assert not wrong, "\n".join(wrong)
        self.before = contents

    @contextmanager
    def _judged(self) -> Iterator[None]:
        self.is_sound = False
        yield
        self.is_sound = True

    def _remove_runs(self, thread: str) -> None:
        """Remove the runs of a deleted thread page by page, each page twice."""
        while page := self.model.deleted_runs(thread)[:2]:
            for _ in range(2):
                self._send(self.commands.remove_runs(thread, tuple(page)))

    # ---- who there is --------------------------------------------------------------------------

    def new(self, kind: str, thread_id: str = "") -> str:
        self.made += 1
        if kind == "run":
            return f"run_{bucket_of(thread_id)}{self.made:030x}"
        return f"{self.made:016x}" if kind == "claim" else f"{kind}_{self.made}"

    def worker(self) -> str:
        return WORKERS[self.made % len(WORKERS)]

    def runs(self, *places: str) -> list[Run]:
        return [run for run in self.model.runs.values() if run.place in places]


PLACES = {
    "enqueue": 3,
    "finish": 2,
    "cancel": 2,
    "force_end": 2,
    "submit": 2,
    "submit_all": 2,
    "approve": 1,
}
"""Where in an answer the run stands that is to be sent."""


def _without_marks(contents: Contents) -> dict[str, Stored]:
    """All but the marks of runs that were refused, which nobody reads but those behind them.

    And but those of clients' requests: what a repeat has found is noted there, and the model has
    them.
    """
    marks = (":refused:", ":request:")
    return {key: one for key, one in contents.items() if not any(mark in key for mark in marks)}


def _run_to_send(command: Command, answer: Answer) -> str:
    """The run for which the caller sends a Celery message; empty where it sends none."""
    if command.script in ("release", "reclaim"):  # a pause before it is sent is left out here
        return command.args["run_id"] if answer[0] in ("ok", "again") else ""
    place = PLACES.get(command.script)
    return answer[place] if place is not None and len(answer) > place else ""


def _alike(answer: Answer, wanted: Answer) -> bool:
    """Whether the answer begins with what was wanted; None stands for anything."""
    return len(answer) >= len(wanted) and all(
        want is None or got == want for got, want in zip(answer, wanted, strict=False)
    )
