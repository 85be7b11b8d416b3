"""A state machine that drives the scripts in random order, over a few threads in two buckets."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from tests.support.state_machine.commands import HOUR, METADATA, Write
from tests.support.state_machine.driver import (
    CALM,
    LUCKLESS,
    Attempt,
    Counts,
    Driver,
    Luck,
)
from tests.support.state_machine.model import Answer, Run
from tests.support.state_machine.server import Server
from tests.support.state_machine.writes import (
    answer_write,
    answers_write,
    next_write,
    parking_write,
    waiting_calls,
)

BUCKETS = ("00", "2a")
THREADS = [f"thread_{BUCKETS[number // 3]}{number:030x}" for number in range(5)]
FORGED = "1-ffffffffffffffff"
ENDS = ("completed", "failed", "cancelled", "incomplete", "expired")

picks = st.integers(0, 2**16)
threads = st.sampled_from(THREADS)
lucks = st.sampled_from(
    [CALM, LUCKLESS, CALM._replace(deliveries=0), LUCKLESS._replace(deliveries=3)]
)


class StoreMachine(Driver):
    """The rules: what may happen to the store, each with what may go wrong on its way."""

    # ---- rules: enqueue and deliver ------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.server.clear()
        self.before = self.server.contents()
        self.counts.examples += 1
        for thread in THREADS[::2]:
            for _ in range(2):
                run_id = self.new("run", thread)
                self.send(self.commands.enqueue(thread, run_id, limit_ms=0), CALM)

    @rule(
        thread=threads,
        when_busy=st.sampled_from(["queue", "queue", "reject", "interrupt"]),
        create=st.booleans(),
        limits=st.sampled_from([(0, 0), (0, ""), (600_000, 3_600_000)]),
        brings=st.integers(0, 2),
        luck=lucks,
    )
    def enqueue(
        self,
        thread: str,
        when_busy: str,
        create: bool,
        limits: tuple[int, int | str],
        brings: int,
        luck: Luck,
    ) -> None:
        run_id, (limit_ms, wait_ms) = self.new("run", thread), limits
        command = self.commands.enqueue(
            *(thread, run_id),
            when_busy=when_busy,
            create=create,
            max_waiting=4,
            limit_ms=limit_ms,
            wait_ms=wait_ms,
            brings=brings,
        )
        self.send(command, luck)

    @rule(thread=threads)
    def ask_for_what_is_refused(self, thread: str) -> None:
        run_id = self.new("run", thread)
        if self.model.held_by(thread):
            self.send(self.commands.enqueue(thread, run_id, when_busy="reject"), CALM)
            self.send(self.commands.enqueue(thread, run_id, max_waiting=0), CALM)
            self.send(self.commands.delete_thread(thread, self.new("delete")), CALM)
        elif thread not in self.model.threads:
            self.send(self.commands.enqueue(thread, run_id, create=False), CALM)
            self.send(self.commands.add_messages(thread, (("msg_0", "hello"),), create=False), CALM)

    @rule(thread=threads, luck=lucks)
    def enqueue_in_order(self, thread: str, luck: Luck) -> None:
        first, second = self.new("run", thread), self.new("run", thread)
        self.send(self.commands.enqueue(thread, second, after=first), CALM)
        self.send(self.commands.enqueue(thread, first), CALM)
        self.send(self.commands.enqueue(thread, second, after=first), luck)

    @rule(thread=threads, luck=lucks)
    def enqueue_behind_a_refused_one(self, thread: str, luck: Luck) -> None:
        first, second = self.new("run", thread), self.new("run", thread)
        for is_followed in (False, True):
            refused = self.commands.enqueue(
                thread, first, create=False, max_waiting=0, is_followed=is_followed
            )
            self.send(refused, CALM)
            self.send(self.commands.enqueue(thread, second, after=first), luck)

    @rule(thread=threads, key=st.sampled_from(["monday", "tuesday"]), luck=lucks)
    def enqueue_with_key(self, thread: str, key: str, luck: Luck) -> None:
        for content in ("a", "a", "b"):
            run_id = self.new("run", thread)
            self.send(self.commands.enqueue(thread, run_id, key=key, content=content), luck)

    @precondition(lambda self: self.runs("dispatched"))
    @rule(pick=picks, luck=lucks)
    def deliver(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("dispatched"), pick)
        self.send(self.commands.claim(run.id, self.worker(), self.new("claim")), luck)

    @precondition(lambda self: self.runs("waiting", "held", "ended"))
    @rule(pick=picks)
    def deliver_what_is_not_to_be_claimed(self, pick: int) -> None:
        run = _pick(self.runs("waiting") or self.runs("held", "ended"), pick)
        self.send(self.commands.claim(run.id, self.worker(), self.new("claim")), CALM)

    @rule(thread=threads)
    def name_what_is_not_there(self, thread: str) -> None:
        run_id = self.new("run", thread)
        self.send(self.commands.delete_thread(run_id.replace("run", "thread")), CALM)
        self.send(self.commands.claim(run_id, self.worker(), self.new("claim")), CALM)
        self.send(self.commands.cancel(run_id), CALM)
        self.send(self.commands.force_end(run_id, "1-0", 3), CALM)

    # ---- rules: a holder writes ----------------------------------------------------------------

    @precondition(lambda self: self.runs("held"))
    @rule(
        pick=picks,
        acts=st.lists(st.sampled_from(["begin", "call", "end", "more"]), min_size=1, max_size=4),
        luck=lucks,
    )
    def append(self, pick: int, acts: list[str], luck: Luck) -> None:
        run = _pick(self.runs("held"), pick)
        for act in acts:
            write = next_write(run, act, self.new("call"))
            self.send(self.commands.append(run.id, run.token, run.serial + 1, write), luck)

    @precondition(lambda self: self.runs("held"))
    @rule(pick=picks, status=st.sampled_from(ENDS), luck=lucks)
    def finish(self, pick: int, status: str, luck: Luck) -> None:
        self._finish(_pick(self.runs("held"), pick), status, luck)

    @precondition(lambda self: self._in_progress())
    @rule(pick=picks, luck=lucks)
    def end_in_the_second_call(self, pick: int, luck: Luck) -> None:
        run = _pick(self._in_progress(), pick)
        for act in (*(["end"] if run.open_step is not None else []), *["call"] * 4):
            write = next_write(run, act, self.new("call"))
            self.send(self.commands.append(run.id, run.token, run.serial + 1, write), CALM)
        self._finish(run, "failed", luck)

    @rule(first=st.integers(0, 5), luck=lucks)
    def work_through_the_lines(self, first: int, luck: Luck) -> None:
        ends = (*ENDS, "given up")
        for status in (*ends[first:], *ends[:first]):
            if runs := self._in_progress():
                if status == "given up":
                    self._die_in_its_calls(runs[0], luck)
                else:
                    self._finish(runs[0], status, luck)

    def _finish(self, run: Run, status: str, luck: Luck) -> None:
        write = Write(items=(("", f"{run.id} is done"),))
        self.send(self.commands.finish(run.id, run.token, run.serial + 1, status, write), luck)

    @precondition(lambda self: self.runs("held"))
    @rule(pick=picks, luck=lucks)
    def give_back(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("held"), pick)
        self.send(self.commands.release(run.id, run.token, run.serial + 1), luck)

    # ---- rules: a run waits for somebody outside -----------------------------------------------

    @precondition(lambda self: self._in_progress())
    @rule(
        pick=picks,
        waits_for=st.sampled_from([["output"], ["approval"], ["output", "approval"]]),
        wait_ms=st.sampled_from([0, HOUR]),
        luck=lucks,
    )
    def park(self, pick: int, waits_for: list[str], wait_ms: int, luck: Luck) -> None:
        self._park(_pick(self._in_progress(), pick), waits_for, wait_ms, luck)

    def _park(self, run: Run, waits_for: list[str], wait_ms: int, luck: Luck) -> None:
        for act in (*(["end"] if run.open_step is not None else []), "call"):
            write = next_write(run, act, self.new("call"))
            self.send(self.commands.append(run.id, run.token, run.serial + 1, write), CALM)
        given = (run.id, run.token, run.serial + 1, wait_ms, parking_write(run, waits_for))
        self.send(self.commands.park(*given), luck)

    @precondition(lambda self: self._in_progress())
    @rule(
        pick=picks,
        waits_for=st.sampled_from([["output"], ["approval"], ["output", "approval"]]),
        ends=st.sampled_from(["", "", "failed", "cancelled"]),
        luck=lucks,
    )
    def park_and_answer(self, pick: int, waits_for: list[str], ends: str, luck: Luck) -> None:
        run = _pick(self._in_progress(), pick)
        self._park(run, waits_for, HOUR, luck)
        while run.place == "parked":
            call, what = waiting_calls(run)[0]
            if what == "output":
                self._execute_outside(run, call, HOUR, 0, ends, luck)
            else:
                self.send(self.commands.approve(run.id, call), luck)
                self.send(self.commands.approve(run.id, call), CALM)

    @precondition(lambda self: self._in_progress())
    @rule(pick=picks, luck=lucks)
    def park_and_fail(self, pick: int, luck: Luck) -> None:
        run = _pick(self._in_progress(), pick)
        self._park(run, ["output"], HOUR, luck)
        if run.place == "parked":
            self._execute_outside(run, waiting_calls(run)[0][0], HOUR, 0, "failed", luck)

    @precondition(lambda self: self._in_progress())
    @rule(pick=picks, luck=lucks)
    def park_and_expire(self, pick: int, luck: Luck) -> None:
        run = _pick(self._in_progress(), pick)
        self._park(run, ["output"], 0, luck)
        for call, _ in waiting_calls(run):
            for lessee in ("first", "second"):
                take = partial(self.commands.lease_call, run.id, call, lessee, lease_ms=0)
                self.send(take(), CALM)
                self.send(take(suspect="first"), CALM)
        self.send(self.commands.force_end(run.id, run.token, len(run.log)), luck)

    @precondition(lambda self: self.runs("parked"))
    @rule(
        pick=picks,
        lease_ms=st.sampled_from([0, HOUR]),
        may_repeat=st.integers(0, 1),
        ends=st.sampled_from(["", "", "cancelled", "failed"]),
        luck=lucks,
    )
    def answer_what_a_run_waits_for(
        self, pick: int, lease_ms: int, may_repeat: int, ends: str, luck: Luck
    ) -> None:
        run = _pick(self.runs("parked"), pick)
        call, waits_for = _pick(waiting_calls(run), pick)
        if waits_for == "output":
            self._execute_outside(run, call, lease_ms, may_repeat, ends, luck)
        elif ends:
            self._submit(run, call, luck, waits_for="approval")
        else:
            self.send(self.commands.approve(run.id, call), luck)

    def _execute_outside(
        self, run: Run, call: str, lease_ms: int, may_repeat: int, ends: str, luck: Luck
    ) -> None:
        take = partial(self.commands.lease_call, run.id, call, may_repeat=may_repeat)
        self.send(take("first", lease_ms=lease_ms), luck)
        self.send(take("second", lease_ms=lease_ms), CALM)
        self.send(take("second", lease_ms=lease_ms, suspect="first"), CALM)
        who = run.calls[f"@{call}"]
        self._submit(run, call, CALM, lessee="third")
        self._submit(run, call, CALM, lessee=who, ahead=-1)
        by_hand = lease_ms == 0 and not may_repeat
        self._submit(run, call, luck, lessee="" if by_hand else who, end_status=ends)
        self._submit(run, call, CALM, digest="5")

    def _submit(self, run: Run, call: str, luck: Luck, *, ahead: int = 0, **how: Any) -> None:
        given = (run.id, call, len(run.log) + ahead, answer_write(run, call))
        step = 0 if run.open_step is None else run.open_step
        self.send(self.commands.submit(*given, step=step, **how), luck)

    @precondition(lambda self: self._in_progress())
    @rule(pick=picks, leases=st.booleans(), before=st.booleans(), luck=lucks)
    def park_and_answer_all(self, pick: int, leases: bool, before: bool, luck: Luck) -> None:
        run = _pick(self._in_progress(), pick)
        self._park(run, ["output"], HOUR, luck)
        calls = [call for call, _ in waiting_calls(run)]
        if len(calls) < 2:
            return
        self._submit_all(run, calls[:1], CALM)
        self._submit_all(run, [*calls, calls[0]], CALM)
        self._submit_all(run, [*calls, "call_foreign"], CALM)
        self._submit_all(run, calls, CALM, ahead=-1)
        if before:
            self._submit(run, calls[0], luck, digest="4")
        if leases:
            self.send(self.commands.lease_call(run.id, calls[1], "first", lease_ms=HOUR), CALM)
            self._submit_all(run, calls, CALM)
            self._submit(run, calls[1], luck, lessee="first")
        self._submit_all(run, calls, luck)
        self._submit_all(run, calls[::-1], CALM)
        self._submit_all(run, calls[:1], CALM, whole=0)
        self._submit_all(run, calls, CALM, digest="5")

    @precondition(lambda self: self.runs("parked"))
    @rule(pick=picks, whole=st.integers(0, 1), luck=lucks)
    def answer_several(self, pick: int, whole: int, luck: Luck) -> None:
        run = _pick(self.runs("parked"), pick)
        calls = [call for call, _ in waiting_calls(run)][: 1 + pick % 2]
        self._submit_all(run, calls, luck, whole=whole)
        self._submit_all(run, calls, CALM, whole=whole)

    def _submit_all(
        self,
        run: Run,
        calls: list[str],
        luck: Luck,
        *,
        ahead: int = 0,
        digest: str = "4",
        whole: int = 1,
    ) -> None:
        records, is_last = answers_write(run, calls)
        step = 0 if run.open_step is None else run.open_step
        outputs = tuple((call, digest) for call in calls)
        command = self.commands.submit_all(
            *(run.id, outputs, len(run.log) + ahead, records),
            step=step,
            is_last=is_last,
            whole=whole,
        )
        self.send(command, luck)

    @precondition(lambda self: self.runs("parked"))
    @rule(pick=picks, luck=lucks)
    def let_a_parked_run_go(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("parked"), pick)
        if pick % 2:
            self.send(self.commands.cancel(run.id), luck)
        else:
            self.send(self.commands.force_end(run.id, run.token, len(run.log)), luck)

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks)
    def answer_what_nobody_waits_for(self, pick: int) -> None:
        run = _pick(list(self.model.runs.values()), pick)
        for run_id in (run.id, self.new("run", run.thread)):
            self.send(self.commands.lease_call(run_id, "call_never", "first"), CALM)
            self.send(self.commands.approve(run_id, "call_never"), CALM)
            self.send(self.commands.submit(run_id, "call_never", 3, (["x", "y", {}],)), CALM)
            never, records = (("call_never", "4"),), (["x", "y", {}],)
            self.send(self.commands.submit_all(run_id, never, 3, records), CALM)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def answer_again(self, pick: int) -> None:
        answers = [c for c in self.sent if c.script in ("park", "submit", "submit_all", "approve")]
        if answers:
            self.send(_pick(answers[-6:], pick), CALM)

    # ---- rules: clients' requests ----------------------------------------------------------------

    def _ago(self) -> int:
        """How long ago the next request came: each comes seconds behind the one before."""
        return 1_000_000 - 5_000 * self.made

    @rule(thread=threads, what=st.sampled_from(["message", "run"]), luck=lucks)
    def ask_with_a_key(self, thread: str, what: str, luck: Luck) -> None:
        for content in ("aa", "aa", "bb"):
            self._ask(what, thread, "cafe", f"key {content} 0 0", luck)

    @rule(
        thread=threads,
        what=st.sampled_from(["message", "run", "thread", "run with thread"]),
        tries=st.integers(0, 2),
        is_delivered=st.booleans(),
        luck=lucks,
    )
    def ask_without_a_key(
        self, thread: str, what: str, tries: int, is_delivered: bool, luck: Luck
    ) -> None:
        shared = int(what in ("thread", "run with thread"))
        request = f"{what[0]}{what[-1]}" + ("" if shared else thread[-2:])
        asked = f"try {tries} {self._ago()} {shared}"
        answer, made = self._ask(what, thread, request, asked, luck)
        if answer[0] in ("ok", "again", "same", "dispatch", "waiting") and is_delivered:
            id = answer[1] if "run" in what else answer[3]
            self.send(self.commands.note_delivery(thread, request, id, made), luck)
            self.send(self.commands.note_delivery(thread, request, id, made), CALM)
        self.send(self.commands.note_delivery(thread, request, made, "another"), CALM)
        for count in (tries, tries + 1):
            too_early = f"try {count} 2000000 {shared}"
            self._ask(what, thread, request, too_early, CALM)
        self._ask(what, thread, request, f"try {tries + 1} {self._ago()} {shared}", luck)

    def _ask(
        self, what: str, thread: str, request: str, requested: str, luck: Luck
    ) -> tuple[Answer, str]:
        """Send a request; returns the answer, and what it would create."""
        if "run" in what:
            made = self.new("run", thread)
            command = self.commands.enqueue(
                *(thread, made), max_waiting=6, request=request, requested=requested
            )
        else:
            message, create = self.new("msg"), what == "thread"
            made = thread if create else message
            command = self.commands.add_messages(
                thread,
                ((message, f"{message} was added"),),
                create=create,
                request=request,
                requested=requested,
            )
        return self.send(command, luck), made

    # ---- rules: writes that must not be applied ------------------------------------------------

    @precondition(lambda self: self._lost_attempts())
    @rule(pick=picks)
    def write_with_an_old_token(self, pick: int) -> None:
        attempt = _pick(self._lost_attempts(), pick)
        serial = self.model.runs[attempt.run_id].serial + 1
        self._write_in_vain(attempt, serial)
        self._write_in_vain(attempt._replace(token=FORGED), serial)

    @precondition(lambda self: any(run.token and run.serial for run in self.runs("held", "ended")))
    @rule(pick=picks)
    def write_with_a_wrong_serial(self, pick: int) -> None:
        run = _pick([r for r in self.runs("held", "ended") if r.token and r.serial], pick)
        for ahead in (2, -1):
            self._write_in_vain(Attempt(run.id, run.holder, run.token), run.serial + ahead)

    def _write_in_vain(self, attempt: Attempt, serial: int) -> None:
        run_id, token = attempt.run_id, attempt.token
        write = Write(records=(["d", 0, ["never to be seen"]],))
        self.send(self.commands.append(run_id, token, serial, write), CALM)
        self.send(self.commands.finish(run_id, token, serial, write=write), CALM)
        self.send(self.commands.release(run_id, token, serial), CALM)
        self.send(self.commands.park(run_id, token, serial, 0, write), CALM)

    def _lost_attempts(self) -> list[Attempt]:
        tokens = {run.id: run.token for run in self.model.runs.values()}
        return [a for a in self.attempts if tokens.get(a.run_id, a.token) != a.token]

    # ---- rules: others end a run, or move it ---------------------------------------------------

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks, luck=lucks)
    def cancel(self, pick: int, luck: Luck) -> None:
        run = _pick(list(self.model.runs.values()), pick)
        self.send(self.commands.cancel(run.id), luck)

    @precondition(lambda self: self.model.runs)
    @rule(pick=picks, order=st.integers(1, 3), luck=lucks)
    def set_metadata(self, pick: int, order: int, luck: Luck) -> None:
        run = _pick(list(self.model.runs.values()), pick)
        for run_id in (run.id, self.new("run", run.thread)):
            metadata = f'{{"order":"{order}"}}'
            self.send(self.commands.set_run_metadata(run_id, metadata), luck)

    @precondition(lambda self: self.runs("dispatched", "held", "waiting"))
    @rule(pick=picks, place=st.sampled_from(["dispatched", "held", "waiting"]), luck=lucks)
    def cancel_before_the_end(self, pick: int, place: str, luck: Luck) -> None:
        run = _pick(self.runs(place) or self.runs("dispatched", "held", "waiting"), pick)
        self.send(self.commands.cancel(run.id), luck)

    @rule(thread=threads, luck=lucks)
    def enqueue_and_cancel(self, thread: str, luck: Luck) -> None:
        run_id = self.new("run", thread)
        self.send(self.commands.enqueue(thread, run_id), luck._replace(deliveries=0))
        self.send(self.commands.cancel(run_id), luck)

    @rule(thread=threads, luck=lucks)
    def enqueue_and_expire(self, thread: str, luck: Luck) -> None:
        run_id = self.new("run", thread)
        self.send(self.commands.enqueue(thread, run_id, wait_ms=0), luck._replace(deliveries=0))
        run = self.model.runs[run_id]
        self.send(self.commands.force_end(run_id, run.token, len(run.log)), luck)

    @precondition(lambda self: self.runs("held"))
    @rule(pick=picks, luck=lucks)
    def force(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("held"), pick)
        given = (run.id, run.token, len(run.log))
        id, text = _partial(run)
        self.send(self.commands.force_end(run.id, run.token, len(run.log) - 1), CALM)
        self.send(self.commands.force_end(*given, grace_ms=HOUR), CALM)
        self.send(self.commands.force_end(*given, message_id=id, message=text), luck)

    @precondition(lambda self: self.runs("held"))
    @rule(pick=picks, luck=lucks)
    def give_back_and_reclaim_what_is_being_cancelled(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("held"), pick)
        self.send(self.commands.cancel(run.id), luck)
        self.send(self.commands.release(run.id, run.token, run.serial + 1), luck)
        write = parking_write(run, ["output"])
        self.send(self.commands.park(run.id, run.token, run.serial + 1, 0, write), luck)
        self.send(self.commands.reclaim(run.id, run.holder, run.token), luck)

    @precondition(lambda self: self.runs("held"))
    @rule(pick=picks, max_deaths=st.sampled_from([None, 1, 1, 3]), luck=lucks)
    def reclaim(self, pick: int, max_deaths: int | None, luck: Luck) -> None:
        run = _pick(self.runs("held"), pick)
        command = self.commands.reclaim(run.id, run.holder, run.token, max_deaths=max_deaths)
        if self.send(command, luck._replace(answer_is_lost=True))[0] == "spent":
            self._give_up(run, luck)

    def _die_in_its_calls(self, run: Run, luck: Luck) -> None:
        for act in (*(["end"] if run.open_step is not None else []), "call", "call"):
            write = next_write(run, act, self.new("call"))
            self.send(self.commands.append(run.id, run.token, run.serial + 1, write), CALM)
        reclaim = self.commands.reclaim(run.id, run.holder, run.token, max_deaths=1)
        self.send(reclaim, CALM)
        self._give_up(run, luck)

    def _in_progress(self) -> list[Run]:
        return [run for run in self.runs("held") if run.status == "in_progress"]

    def _give_up(self, run: Run, luck: Luck) -> None:
        id, text = _partial(run)
        given = (run.id, run.token, len(run.log))
        self.send(
            self.commands.force_end(*given, status="failed", lost=1, message_id=id, message=text),
            luck,
        )

    @precondition(lambda self: self.runs("dispatched", "waiting"))
    @rule(pick=picks, luck=lucks)
    def force_what_nobody_holds(self, pick: int, luck: Luck) -> None:
        run = _pick(self.runs("dispatched", "waiting"), pick)
        self.send(self.commands.force_end(run.id, run.token, len(run.log)), luck)

    @precondition(lambda self: self.attempts)
    @rule(pick=picks)
    def force_and_reclaim_too_late(self, pick: int) -> None:
        run_id, holder, old_token = _pick(self.attempts, pick)
        for token in (old_token, FORGED):
            self.send(self.commands.force_end(run_id, token, 3), CALM)
            self.send(self.commands.reclaim(run_id, holder, token), CALM)

    # ---- rules: threads, and calls that come again much later ----------------------------------

    @rule(thread=threads, create=st.booleans(), count=st.integers(1, 2), luck=lucks)
    def add(self, thread: str, create: bool, count: int, luck: Luck) -> None:
        ids = [self.new("msg") for _ in range(count)]
        messages = tuple((id, f"{id} was added") for id in ids)
        self.send(self.commands.add_messages(thread, messages, create=create), luck)
        idle = [thread for thread in THREADS if not self.model.held_by(thread)]
        if idle:
            self.send(self.commands.add_messages(idle[0], messages), LUCKLESS)

    @rule(
        thread=threads,
        metadata=st.sampled_from(["", METADATA, "{}", '{"customer":"8"}', '{"order":"9"}']),
        tool_resources=st.sampled_from(["", '{"file_search":{}}']),
        luck=lucks,
    )
    def update(self, thread: str, metadata: str, tool_resources: str, luck: Luck) -> None:
        command = self.commands.update_thread(
            thread, metadata=metadata, tool_resources=tool_resources
        )
        self.send(command, luck)

    @rule(thread=threads, pick=picks, order=st.integers(1, 2), luck=lucks)
    def set_message_metadata(self, thread: str, pick: int, order: int, luck: Luck) -> None:
        known = self.model.threads.get(thread)
        metadata = f'{{"order":"{order}"}}'
        for message_id in ("msg_never", _pick([*(known.messages if known else ()), "msg_0"], pick)):
            self.send(self.commands.set_message_metadata(thread, message_id, metadata), luck)

    @rule(thread=threads, pick=picks, luck=lucks)
    def delete_message(self, thread: str, pick: int, luck: Luck) -> None:
        idle = [id for id in self.model.threads if not self.model.held_by(id)]
        for thread_id in (thread, *idle[:1]):
            known = self.model.threads.get(thread_id)
            message_id = _pick([*(known.messages if known else ()), "msg_never"], pick)
            self.send(self.commands.delete_message(thread_id, message_id, self.new("delete")), luck)

    @rule(thread=threads, empty_first=st.booleans(), luck=lucks)
    def delete(self, thread: str, empty_first: bool, luck: Luck) -> None:
        while empty_first and (held := self.model.held_by(thread)):
            self.send(self.commands.cancel(held.id), CALM)
            if held.is_held:
                self.send(self.commands.force_end(held.id, held.token, len(held.log)), luck)
        command = self.commands.delete_thread(thread, self.new("delete"))
        self.send(command, LUCKLESS if empty_first else luck)

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def send_an_old_call_again(self, pick: int) -> None:
        self.send(_pick(self.sent[-12:], pick), CALM)

    # ---- the end -------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Whatever happened: each thread can be brought to rest, so nothing was lost."""
        if self.is_sound:
            while runs := self.runs("dispatched", "held", "parked"):
                run = runs[0]
                if run.place == "parked":
                    self._send(self.commands.cancel(run.id))
                    continue
                if run.place == "dispatched":
                    self._send(self.commands.claim(run.id, self.worker(), self.new("claim")))
                self._send(self.commands.finish(run.id, run.token, run.serial + 1))
            assert not self.runs("waiting"), "runs wait behind nobody"
        self.counts.moves += self.model.moves


def run(server: Server, counts: Counts, how: settings, *, number: int = 0) -> None:
    """Run the state machine for the time of this number; it raises what it finds."""
    make: Any = partial(StoreMachine, server, counts)
    if how.derandomize:  # so it is in CI, where each time would else repeat the first
        make = seed(number)(make)
    run_state_machine_as_test(make, settings=how)


def _pick(candidates: list[Any], number: int) -> Any:
    return candidates[number % len(candidates)]


def _partial(run: Run) -> tuple[str, str]:
    """Id and text of the message that the run has begun; empty where it has begun none."""
    if run.open_message is None:
        return "", ""
    return f"msg_{run.id}_{run.open_message}", f"part of message {run.open_message}"
