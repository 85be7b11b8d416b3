"""A state machine that drives the scripts in random order, and looks at the server after each call.

The server's connections may touch one bucket each: a script that left its slot would be refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import redis
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import exceptions as redis_errors
from tests.contents import Contents, dump_command, read_dump
from tests.integration.store.commands import CHANGING, OUTCOMES, Command, Commands, Write
from tests.integration.store.invariants import broken, differences
from tests.integration.store.model import Answer, Model, Run
from tests.integration.store.order import Order
from tests.integration.store.writing import next_write

from threadmill_shared import scripts
from threadmill_shared.ids import bucket_of

NAMESPACE = "tm"
THREADS = [
    f"thread_{bucket}{number:030x}" for number, bucket in enumerate(("00", "00", "00", "2a", "2a"))
]
WORKERS = ("host:1:aaaa", "host:2:bbbb", "host:1:cccc")
FORGED = "1-ffffffffffffffff"
ENDS = ("completed", "failed", "cancelled", "incomplete", "expired")

picks = st.integers(0, 2**16)
threads = st.sampled_from(THREADS)
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
lucks = st.sampled_from(
    [CALM, LUCKLESS, CALM._replace(deliveries=0), LUCKLESS._replace(deliveries=3)]
)


class Server:
    """The connections of one test: one that sees everything, and one per bucket."""

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._all = self._connect(url)
        self._of_bucket: dict[str, Any] = {}
        self._last_dump: list[Any] = []
        self._last_contents = read_dump(NAMESPACE, [])
        for bucket in {bucket_of(thread) for thread in THREADS}:
            user = f"bucket-{bucket}"
            keys = f"~{NAMESPACE}:{{{bucket}}}:*"
            self._all.execute_command(
                "ACL", "SETUSER", user, "reset", "on", "nopass", keys, "&*", "+@all"
            )
            self._of_bucket[bucket] = self._connect(url.replace("//", f"//{user}:any@"))

    def _connect(self, url: str) -> Any:
        client = redis.Redis.from_url(url, decode_responses=True)
        self._open.callback(client.close)
        return client

    def send(self, command: Command) -> Answer:
        """Run a script, on a connection that may touch its bucket only."""
        client = self._of_bucket[command.args["bucket"].partition("{")[2][:2]]
        call = command.call()
        try:
            answer: Answer = client.execute_command(*call)
        except redis_errors.NoScriptError:
            text = scripts.script(command.script).text
            answer = client.execute_command("EVAL", text, *call[2:])
        return answer

    def contents(self) -> Contents:
        """Everything that is stored; the same object as the last time where nothing has changed."""
        dump = self._all.execute_command(*dump_command(NAMESPACE))
        if dump != self._last_dump:
            self._last_dump, self._last_contents = dump, read_dump(NAMESPACE, dump)
        return self._last_contents

    def forget(self, keys: list[str]) -> None:
        if keys:
            self._all.unlink(*(f"{NAMESPACE}:{key}" for key in keys))

    def clear(self) -> None:
        self._all.flushdb()

    def close(self) -> None:
        self._open.close()


@dataclass
class Counts:
    """How often each outcome and each transition was seen, over all examples."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    examples: int = 0


class Attempt(NamedTuple):
    """A token that was given out; its holder may have lost the run since."""

    run_id: str
    holder: str
    token: str


class StoreMachine(RuleBasedStateMachine):
    """Drives the scripts of one namespace, and a model beside them."""

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
            if (word := REPEATED.get(answer[0])) is not None:
                assert repeated[0] == word, f"{answer} was repeated as {repeated}"
                assert _run_to_send(command, repeated) == _run_to_send(command, answer)
            answer = repeated
        if run_id := _run_to_send(command, answer):
            for _ in range(luck.deliveries):
                claim = self.commands.claim(run_id, self._worker(), self._new("claim"))
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
                assert contents == self.before, f"{command} changed something, and said {answer}"
            self._remember(command, answer, contents)
            self._check(contents)
        if command.script == "delete" and answer[0] == "ok":
            self._forget_runs(command.args["thread_id"])
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

    def _forget_runs(self, thread: str) -> None:
        gone = self.model.forget_runs(thread)
        kinds = ("run", "log", "steps", "calls")
        bucket = f"{{{bucket_of(thread)}}}"
        self.server.forget([f"{bucket}:{kind}:{run_id}" for run_id in gone for kind in kinds])
        with self._judged():
            self._check(self.server.contents())

    # ---- who there is --------------------------------------------------------------------------

    def _new(self, kind: str, thread_id: str = "") -> str:
        self.made += 1
        if kind == "run":
            return f"run_{bucket_of(thread_id)}{self.made:030x}"
        return f"{self.made:016x}" if kind == "claim" else f"{kind}_{self.made}"

    def _worker(self) -> str:
        return WORKERS[self.made % len(WORKERS)]

    def _runs(self, *places: str) -> list[Run]:
        return [run for run in self.model.runs.values() if run.place in places]

    # ---- rules: enqueue and deliver ------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.server.clear()
        self.before = self.server.contents()
        self.counts.examples += 1
        for thread in THREADS[::2]:
            for _ in range(2):
                run_id = self._new("run", thread)
                self.send(self.commands.enqueue(thread, run_id, limit_ms=0), CALM)

    @rule(
        thread=threads,
        when_busy=st.sampled_from(["queue", "queue", "reject", "interrupt"]),
        create=st.booleans(),
        limit_ms=st.sampled_from([0, 0, 600_000]),
        luck=lucks,
    )
    def enqueue(self, thread: str, when_busy: str, create: bool, limit_ms: int, luck: Luck) -> None:
        run_id = self._new("run", thread)
        command = self.commands.enqueue(
            thread, run_id, when_busy=when_busy, create=create, max_waiting=4, limit_ms=limit_ms
        )
        self.send(command, luck)

    @rule(thread=threads)
    def ask_for_what_is_refused(self, thread: str) -> None:
        run_id = self._new("run", thread)
        if self.model.held_by(thread):
            self.send(self.commands.enqueue(thread, run_id, when_busy="reject"), CALM)
            self.send(self.commands.enqueue(thread, run_id, max_waiting=0), CALM)
            self.send(self.commands.delete(thread), CALM)
        elif thread not in self.model.threads:
            self.send(self.commands.enqueue(thread, run_id, create=False), CALM)
            self.send(self.commands.add(thread, (("msg_0", "hello"),), create=False), CALM)

    @rule(thread=threads, key=st.sampled_from(["monday", "tuesday"]), luck=lucks)
    def enqueue_with_key(self, thread: str, key: str, luck: Luck) -> None:
        for content in ("a", "a", "b"):
            run_id = self._new("run", thread)
            self.send(self.commands.enqueue(thread, run_id, key=key, content=content), luck)

    @precondition(lambda self: self._runs("dispatched"))
    @rule(pick=picks, luck=lucks)
    def deliver(self, pick: int, luck: Luck) -> None:
        run = _pick(self._runs("dispatched"), pick)
        self.send(self.commands.claim(run.id, self._worker(), self._new("claim")), luck)

    @precondition(lambda self: self._runs("waiting", "held", "ended"))
    @rule(pick=picks)
    def deliver_what_is_not_to_be_claimed(self, pick: int) -> None:
        run = _pick(self._runs("waiting") or self._runs("held", "ended"), pick)
        self.send(self.commands.claim(run.id, self._worker(), self._new("claim")), CALM)

    @rule(thread=threads)
    def name_what_is_not_there(self, thread: str) -> None:
        run_id = self._new("run", thread)
        self.send(self.commands.delete(run_id.replace("run", "thread")), CALM)
        self.send(self.commands.claim(run_id, self._worker(), self._new("claim")), CALM)
        self.send(self.commands.cancel(run_id), CALM)
        self.send(self.commands.force(run_id, "1-0", 3), CALM)

    # ---- rules: a holder writes ----------------------------------------------------------------

    @precondition(lambda self: self._runs("held"))
    @rule(
        pick=picks,
        acts=st.lists(st.sampled_from(["begin", "call", "end", "more"]), min_size=1, max_size=4),
        luck=lucks,
    )
    def append(self, pick: int, acts: list[str], luck: Luck) -> None:
        run = _pick(self._runs("held"), pick)
        for act in acts:
            write = next_write(run, act, self._new("call"))
            self.send(self.commands.append(run.id, run.token, run.serial + 1, write), luck)

    @precondition(lambda self: self._runs("held"))
    @rule(pick=picks, status=st.sampled_from(ENDS), luck=lucks)
    def finish(self, pick: int, status: str, luck: Luck) -> None:
        self._finish(_pick(self._runs("held"), pick), status, luck)

    @rule(first=st.integers(0, 4), luck=lucks)
    def work_through_the_lines(self, first: int, luck: Luck) -> None:
        for status in (*ENDS[first:], *ENDS[:first]):
            runs = [run for run in self._runs("held") if run.status == "in_progress"]
            if runs:
                self._finish(runs[0], status, luck)

    def _finish(self, run: Run, status: str, luck: Luck) -> None:
        write = Write(items=(("", f"{run.id} is done"),))
        self.send(self.commands.finish(run.id, run.token, run.serial + 1, status, write), luck)

    @precondition(lambda self: self._runs("held"))
    @rule(pick=picks, luck=lucks)
    def give_back(self, pick: int, luck: Luck) -> None:
        run = _pick(self._runs("held"), pick)
        self.send(self.commands.give_back(run.id, run.token, run.serial + 1), luck)

    @precondition(lambda self: self._lost_attempts())
    @rule(pick=picks)
    def write_with_an_old_token(self, pick: int) -> None:
        attempt = _pick(self._lost_attempts(), pick)
        serial = self.model.runs[attempt.run_id].serial + 1
        self._write_in_vain(attempt, serial)
        self._write_in_vain(attempt._replace(token=FORGED), serial)

    @precondition(lambda self: any(run.token and run.serial for run in self._runs("held", "ended")))
    @rule(pick=picks)
    def write_with_a_wrong_serial(self, pick: int) -> None:
        run = _pick([r for r in self._runs("held", "ended") if r.token and r.serial], pick)
        for ahead in (2, -1):
            self._write_in_vain(Attempt(run.id, run.holder, run.token), run.serial + ahead)

    def _write_in_vain(self, attempt: Attempt, serial: int) -> None:
        run_id, token = attempt.run_id, attempt.token
        write = Write(records=(["d", 0, ["never to be seen"]],))
        self.send(self.commands.append(run_id, token, serial, write), CALM)
        self.send(self.commands.finish(run_id, token, serial, write=write), CALM)
        self.send(self.commands.give_back(run_id, token, serial), CALM)

    def _lost_attempts(self) -> list[Attempt]:
        tokens = {run.id: run.token for run in self.model.runs.values()}
        return [a for a in self.attempts if tokens.get(a.run_id, a.token) != a.token]

    # ---- rules: others end a run, or move it ---------------------------------------------------

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks, luck=lucks)
    def cancel(self, pick: int, luck: Luck) -> None:
        run = _pick(list(self.model.runs.values()), pick)
        self.send(self.commands.cancel(run.id), luck)

    @precondition(lambda self: self._runs("dispatched", "held", "waiting"))
    @rule(pick=picks, place=st.sampled_from(["dispatched", "held", "waiting"]), luck=lucks)
    def cancel_before_the_end(self, pick: int, place: str, luck: Luck) -> None:
        run = _pick(self._runs(place) or self._runs("dispatched", "held", "waiting"), pick)
        self.send(self.commands.cancel(run.id), luck)

    @rule(thread=threads, luck=lucks)
    def enqueue_and_cancel(self, thread: str, luck: Luck) -> None:
        run_id = self._new("run", thread)
        self.send(self.commands.enqueue(thread, run_id), luck._replace(deliveries=0))
        self.send(self.commands.cancel(run_id), luck)

    @precondition(lambda self: self._runs("held"))
    @rule(pick=picks, luck=lucks)
    def force(self, pick: int, luck: Luck) -> None:
        run = _pick(self._runs("held"), pick)
        given = (run.id, run.token, len(run.log))
        id, text = _partial(run)
        self.send(self.commands.force(*given, grace_ms=3_600_000), CALM)
        self.send(self.commands.force(*given, message_id=id, message=text), luck)

    @precondition(lambda self: self._runs("held"))
    @rule(pick=picks, luck=lucks)
    def give_back_and_reclaim_what_is_being_cancelled(self, pick: int, luck: Luck) -> None:
        run = _pick(self._runs("held"), pick)
        self.send(self.commands.cancel(run.id), luck)
        self.send(self.commands.give_back(run.id, run.token, run.serial + 1), luck)
        self.send(self.commands.reclaim(run.id, run.holder, run.token), luck)

    @precondition(lambda self: self._runs("held"))
    @rule(pick=picks, luck=lucks)
    def reclaim(self, pick: int, luck: Luck) -> None:
        run = _pick(self._runs("held"), pick)
        command = self.commands.reclaim(run.id, run.holder, run.token)
        self.send(command, luck._replace(answer_is_lost=True))

    @precondition(lambda self: self.attempts)
    @rule(pick=picks)
    def force_and_reclaim_too_late(self, pick: int) -> None:
        run_id, holder, old_token = _pick(self.attempts, pick)
        for token in (old_token, FORGED):
            self.send(self.commands.force(run_id, token, 3), CALM)
            self.send(self.commands.reclaim(run_id, holder, token), CALM)

    # ---- rules: threads, and calls that come again much later ----------------------------------

    @rule(thread=threads, create=st.booleans(), count=st.integers(1, 2), luck=lucks)
    def add(self, thread: str, create: bool, count: int, luck: Luck) -> None:
        ids = [self._new("msg") for _ in range(count)]
        messages = tuple((id, f"{id} was added") for id in ids)
        self.send(self.commands.add(thread, messages, create=create), luck)
        idle = [thread for thread in THREADS if not self.model.held_by(thread)]
        if idle:
            self.send(self.commands.add(idle[0], messages), LUCKLESS)

    @rule(thread=threads, empty_first=st.booleans(), luck=lucks)
    def delete(self, thread: str, empty_first: bool, luck: Luck) -> None:
        while empty_first and (held := self.model.held_by(thread)):
            self.send(self.commands.cancel(held.id), CALM)
            if held.is_held:
                self.send(self.commands.force(held.id, held.token, len(held.log)), luck)
        self.send(self.commands.delete(thread), LUCKLESS if empty_first else luck)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def send_an_old_call_again(self, pick: int) -> None:
        self.send(_pick(self.sent[-12:], pick), CALM)

    # ---- the end -------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Whatever happened: each thread can be brought to rest, so nothing was lost."""
        if self.is_sound:
            while runs := self._runs("dispatched", "held"):
                run = runs[0]
                if run.place == "dispatched":
                    self._send(self.commands.claim(run.id, self._worker(), self._new("claim")))
                self._send(self.commands.finish(run.id, run.token, run.serial + 1))
            assert not self._runs("waiting"), "runs wait behind nobody"
        self.counts.moves += self.model.moves


def run(server: Server, counts: Counts, how: settings) -> None:
    """Run the state machine; it raises what it finds."""
    make: Any = partial(StoreMachine, server, counts)
    run_state_machine_as_test(make, settings=how)


def _pick(candidates: list[Any], number: int) -> Any:
    return candidates[number % len(candidates)]


def _run_to_send(command: Command, answer: Answer) -> str:
    """The run for which the caller sends a Celery message; empty where it sends none."""
    if command.script in ("yield", "reclaim"):
        return command.args["run_id"] if answer[0] in ("ok", "again") else ""
    place = {"enqueue": 3, "finish": 2, "cancel": 2, "force": 2}.get(command.script)
    return answer[place] if place is not None and len(answer) > place else ""


def _partial(run: Run) -> tuple[str, str]:
    """Id and text of the message that the run has begun; empty where it has begun none."""
    if run.open_message is None:
        return "", ""
    return f"msg_{run.id}_{run.open_message}", f"part of message {run.open_message}"


def _alike(answer: Answer, wanted: Answer) -> bool:
    """Whether the answer begins with what was wanted; None stands for anything."""
    return len(answer) >= len(wanted) and all(
        want is None or got == want for got, want in zip(answer, wanted, strict=False)
    )
