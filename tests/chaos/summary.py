"""What is printed at the end: figures, and whatever is not as it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.chaos import checks
from tests.chaos.fault_injector import FaultInjector, Hit
from tests.chaos.figures import percentile, spread
from tests.chaos.ledger import Line
from tests.chaos.logs import StoredRun, stored_runs, threads
from tests.chaos.plan import Kind
from tests.chaos.recovery import Measurements
from tests.chaos.system import MAX_ATTEMPTS, System
from tests.support.state_machine.invariants import broken
from tests.support.store.contents import Contents

KILL_P50 = 0.5
KILL_P99 = 1.0
FOR_P99 = 50
"""Kills from which on it is judged."""
SUSPENDED_MAX = 6.0
"""Seconds; freezes and network cuts."""
_LINES = 8
"""Of each check; the rest is counted."""


@dataclass
class Evidence:
    """All that was left when it was quiet again."""

    contents: Contents
    says: list[Line]
    calls: list[Line]
    notes: list[Line]
    streams: list[Line]
    reader_differences: list[str]
    foreign_keys: list[str]
    runs: dict[str, StoredRun] = field(init=False)

    def __post_init__(self) -> None:
        self.runs = stored_runs(self.contents)


class Summary:
    """The verdict."""

    def __init__(
        self, system: System, injector: FaultInjector, measured: Measurements, evidence: Evidence
    ) -> None:
        self._system, self._injector, self._measured = system, injector, measured
        self._evidence = evidence
        self._options = system.options
        self.found = {name: list(lines) for name, lines in self._checks()}

    def failures(self) -> list[str]:
        """One line for each thing that is wrong."""
        return [f"{name}: {line}" for name, lines in self.found.items() for line in lines]

    # ---- what must be 0 --------------------------------------------------------------------------

    def _checks(self) -> Iterator[tuple[str, Iterable[str]]]:
        found, runs = self._evidence, self._evidence.runs
        in_order = threads(found.contents, runs)
        yield "runs lost", checks.lost(runs, MAX_ATTEMPTS)
        yield "runs not completed", checks.not_completed(runs, found.says)
        yield "says without exactly one run", self._wrong_says()
        yield "threads out of order", checks.disorder(in_order)
        yield "answers that a later run did not see", checks.unseen(runs, found.notes)
        yield "wrong answers", checks.wrong_answers(runs)
        yield "invariants broken", broken(found.contents)
        yield "events lost or doubled", [*checks.broken_logs(runs), *found.reader_differences]
        yield "events out of order", checks.events_out_of_order(runs)
        yield "finished tool calls seen twice", checks.repeated_calls(runs, found.calls)
        yield "tool outputs that nobody gave", checks.wrong_outputs(runs, found.calls)
        yield "streams over HTTP that differ", checks.wrong_streams(found.streams)
        yield "threads stuck", self._stuck()
        yield "keys without owner", found.foreign_keys
        yield "workers that ended by themselves", self._system.fleet.ended_by_themselves
        yield "too few", self._too_few()
        yield "too slow", self._too_slow()

    def _wrong_says(self) -> Iterator[str]:
        return checks.wrong_says(self._evidence.runs, self._evidence.says, self._measured.run_ids)

    def _stuck(self) -> Iterator[str]:
        for bucket, thread_id, stored in self._evidence.contents.of_kind("thread"):
            if head := stored.value.get("head"):
                yield f"{thread_id} in {bucket} is held by {head}"

    def _too_few(self) -> Iterator[str]:
        options = self._options
        wanted = {
            "kills": (self.kills, options.kills),
            "freezes": (self.freezes, options.freezes),
            "runs": (len(self._evidence.runs), options.runs),
            "runs taken over": (self.taken_over, options.taken_over),
            "streams over HTTP that went on": (self.cut_streams, options.cut_streams),
        }
        for name, (found, least) in wanted.items():
            if found < least:
                yield f"{found} {name}, {least} are wanted"

    def _too_slow(self) -> Iterator[str]:
        measured = self._measured
        if measured.kills and percentile(measured.kills, 50) > KILL_P50:
            yield f"after SIGKILL p50 is more than {KILL_P50} s"
        # Of a few kills p99 is the slowest one, and says something of the machine only.
        if len(measured.kills) >= FOR_P99 and percentile(measured.kills, 99) > KILL_P99:
            yield f"after SIGKILL p99 is more than {KILL_P99} s"
        for name, times in (("SIGSTOP", measured.freezes), ("a network cut", measured.cuts)):
            if times and max(times) > SUSPENDED_MAX:
                yield f"after {name} it took more than {SUSPENDED_MAX} s"

    # ---- figures ---------------------------------------------------------------------------------

    @property
    def kills(self) -> int:
        return self._injector.counts[Kind.KILL] + len(self._measured.kills)

    @property
    def freezes(self) -> int:
        return self._injector.counts[Kind.FREEZE] + len(self._measured.freezes)

    @property
    def taken_over(self) -> int:
        return sum(run.takeovers > 0 for run in self._evidence.runs.values())

    @property
    def cut_streams(self) -> int:
        return sum(line["cuts"] > 0 for line in self._evidence.streams)

    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join([*self._figures(), "", *self._verdict()])

    def _figures(self) -> Iterator[str]:
        runs = self._evidence.runs.values()
        yield f"seed {self._options.seed}"
        yield "faults"
        for kind in Kind:
            yield f"  {self._injector.counts[kind]:6} {kind}"
        faults = sum(note["what"] == "fault" for note in self._evidence.notes)
        yield f"  {faults:6} faults of the provider"
        one_by_one = (self._measured.kills, self._measured.freezes, self._measured.cuts)
        yield "  {:6} SIGKILL, {} SIGSTOP, {} network cuts one by one".format(*map(len, one_by_one))
        if not self._options.leaf:
            yield "  network cuts: not possible here"
        statuses = Counter(run.status for run in runs)
        yield f"runs     {len(runs)}: " + ", ".join(f"{n} {s}" for s, n in statuses.most_common())
        yield f"threads  {sum(1 for _ in self._evidence.contents.of_kind('thread'))}"
        attempts = Counter(run.attempts for run in runs)
        yield "attempts " + ", ".join(f"{n} runs with {a}" for a, n in sorted(attempts.items()))
        deaths = self._system.producers.deaths
        yield f"         {self.taken_over} runs taken over; {deaths} times a producer died"
        yield f"readers  {len(self._system.readers.all)} runs followed while they went on"
        streams = self._evidence.streams
        gateways = ", ".join(f"{n} {kind}" for kind, n in self._system.gateways.counts.items())
        yield f"HTTP     {len(streams)} runs, {self.cut_streams} streams cut and continued"
        kinds = Counter(line["kind"] for line in streams)
        yield "         " + ", ".join(f"{n} {kind}" for kind, n in kinds.items())
        yield f"         gateways: {gateways}"
        begun = Counter(line["tool"] for line in self._evidence.calls if line["what"] == "begin")
        yield f"calls    {begun.total()} of tools, {begun['sign'] + begun['draw']} by producers"
        yield from self._recovery_times()

    def _recovery_times(self) -> Iterator[str]:
        yield "recovery, from the fault to the next claim"
        yield f"  SIGKILL, one by one      {spread(self._measured.kills)}"
        yield f"  SIGSTOP, one by one      {spread(self._measured.freezes)}"
        yield f"  network cut, one by one  {spread(self._measured.cuts)}"
        for kind in (Kind.KILL, Kind.FREEZE, Kind.CUT):
            times = [
                s for hit in self._injector.hits if hit.kind is kind and (s := self._took(hit))
            ]
            yield f"  {kind} among other faults: {spread(times)}"

    def _took(self, hit: Hit) -> float | None:
        """Seconds until it was claimed again; None: it was not, or for another reason."""
        run = self._evidence.runs.get(hit.run_id)
        claimed = run.claimed_after(hit.at) if run else None
        if claimed is None or (hit.kind is not Kind.KILL and claimed > hit.at + hit.seconds * 1000):
            return None
        return (claimed - hit.at) / 1000

    def _verdict(self) -> Iterator[str]:
        for name, lines in self.found.items():
            yield f"{len(lines):6} {name}"
            yield from (f"         {line}" for line in lines[:_LINES])
