"""What the doctor finds in fleets as they were read, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from threadmill.inspection.doctor.fleet import examine_fleet
from threadmill.inspection.doctor.fleet_workers import (
    check_answers,
    check_clocks,
    check_life,
    check_modules,
    check_versions,
)
from threadmill.inspection.doctor.indexes import check_indexes
from threadmill.inspection.doctor.queues import check_consumers, check_waits
from threadmill.inspection.doctor.reading import FleetReading
from threadmill.inspection.doctor.stuck_runs import check_holders
from threadmill.inspection.doctor.tool_threads import check_tool_threads
from threadmill.inspection.fleet import ApprovalCounts, FleetStatus, RunCounts, SlotCounts
from threadmill.inspection.queues import QueueView
from threadmill.inspection.workers import WorkerView
from threadmill.inspection.write_refusal import WriteRefusal
from threadmill_shared.records.changes import IndexScan
from threadmill_shared.records.definition import Definition
from threadmill_shared.records.worker_state import ToolThreadUse
from threadmill_shared.servers.failures import REFUSED_WRITES, Failure, FailureKind
from threadmill_shared.store.indexer import IndexingView
from threadmill_shared.store.indexing_state import IndexingState
from threadmill_shared.tools import as_tool

NOW = 1_000_000
COMPLETE = IndexingState(is_complete=True, seen_at=NOW, metadata="customer")


def look(word: str) -> str:
    """Look a word up."""
    return word


TOOL = as_tool(look).spec
MARVIN = Definition(id="asst_1", name="Marvin", model="gpt-x", tools=(TOOL,))


def worker(number: int = 1, **fields: Any) -> WorkerView:
    view = WorkerView(
        worker=f"web:{number}",
        id=f"web:{number}:aaaa",
        condition="alive",
        since=NOW,
        running=0,
        slots=100,
        version="1.0",
        modules=("shop",),
        queues=("tm", "tm.begun", f"tm.{number}"),
        own_queue=f"tm.{number}",
        assistants={MARVIN.name: MARVIN.digest()},
        tools={TOOL.identity: TOOL.digest},
        tool_threads=ToolThreadUse(limit=2),
        provider=None,
    )
    return replace(view, **fields)


def reading(*workers: WorkerView, **fields: Any) -> FleetReading:
    fleet = FleetStatus(
        namespace="tm",
        now=NOW,
        workers=workers,
        queues=fields.pop("queues", ()),
        queues_are_exact=True,
        broker_error=None,
        slots=SlotCounts.of(workers),
        runs=RunCounts(in_progress=2, queued=fields.pop("queued", 0), parked=0),
        approvals=ApprovalCounts(waiting=0, is_complete=True, oldest_seconds=None),
        providers=(),
    )
    scan = IndexScan(now=NOW * 1000, holders=frozenset(), overdue=[], unclaimed=[], unreported=[])
    found = FleetReading(
        fleet=fleet,
        scan=scan,
        parked=[],
        definitions=[MARVIN],
        indexing=IndexingView(COMPLETE, NOW, sees_others=False),
    )
    return replace(found, **fields)


def queue(name: str, runs: int, seconds: float, workers: int) -> QueueView:
    return QueueView(name, runs=runs, oldest_seconds=seconds, messages=None, workers=workers)


def test_a_fleet_that_works_is_ok_in_all() -> None:
    good = reading(worker(1), worker(2))
    checks = (check_life, check_answers, check_modules, check_clocks, check_indexes)
    checks += (check_consumers, check_waits, check_holders, check_tool_threads)
    assert [check(good).state for check in checks] == ["ok"] * len(checks)
    assert check_versions(good, "1.0").state == "ok"


def test_workers_that_are_silent_and_blocked() -> None:
    silent = worker(2, condition="silent", running=3)
    found = check_answers(reading(worker(1), silent))
    assert (found.state, found.cause) == (
        "warning",
        "web:2 has no lease: killed, frozen or cut off; 3 runs held",
    )
    assert check_answers(reading(silent)).state == "error"
    assert check_life(reading(silent, queued=2)).cause == (
        "no worker is alive in namespace tm; 2 runs queued"
    )
    found = check_answers(reading(worker(1), worker(2, condition="blocked")))
    assert found.cause == "the event loop of web:2 does not answer: an async tool blocks it"
    assert "plain def" in found.cure


def test_a_fleet_whose_workers_are_all_stopping_takes_no_runs() -> None:
    stopping = worker(2, condition="stopping", running=3)
    found = check_life(reading(stopping))
    assert (found.state, found.cause) == ("error", "no worker takes runs: web:2 was told to end")
    assert check_life(reading(worker(1), stopping)).state == "ok"
    assert check_modules(reading(stopping)).state == "warning"
    silent = worker(3, condition="silent", running=5)
    assert reading(worker(1), stopping, silent).fleet.slots == SlotCounts(total=103, used=3)


def test_embedded_workers_are_counted_apart() -> None:
    embedded = worker(2, own_queue="tm.process-2-aa", queues=("tm.process-2-aa",))
    assert check_life(reading(worker(1), embedded)).cause == (
        "2 workers, 1 of them embedded in scripts"
    )


def test_workers_of_several_releases() -> None:
    mixed = reading(worker(1), worker(2, version="2.0"), worker(3, version=None))
    found = check_versions(mixed, "2.0")
    assert found.state == "warning"
    assert "0.1.0 or older: web:3; 1.0: web:1; 2.0: web:2" in found.cause
    assert check_versions(reading(worker(1)), "2.0").state == "warning"


def test_assistants_whose_tools_nobody_has_or_has_otherwise() -> None:
    found = check_modules(reading(worker(1, tools={})))
    assert (found.state, "the tools of Marvin (look)" in found.cause) == ("warning", True)
    assert check_modules(reading(worker(1, tools={TOOL.identity: "other"}))).state == "warning"
    assert check_modules(reading(worker(1, tools={}), worker(2))).state == "ok"
    apart = [MARVIN.model_copy(update={"queue": "gpu"})]
    assert check_modules(reading(worker(1), definitions=apart)).state == "warning"
    found = check_modules(reading(worker(1), worker(2, assistants={"Marvin": "other"})))
    assert "workers define Marvin in different ways" in found.cause


def test_threads_for_tools() -> None:
    kept = ToolThreadUse(limit=2, busy=1, abandoned=3)
    found = check_tool_threads(reading(worker(1), worker(2, tool_threads=kept)))
    assert found.cause == (
        "still running although nobody waits for them: 3 tool calls, most of them in web:2 (3)"
    )
    waiting = ToolThreadUse(limit=2, busy=2, abandoned=3, waiting=4)
    found = check_tool_threads(reading(worker(1), worker(2, tool_threads=waiting)))
    assert found.cause == (
        "waiting for a thread in web:2: 4 tool calls; 2 of 2 threads are busy, 3 more are abandoned"
    )
    assert check_tool_threads(reading(worker(1, tool_threads=None))).state == "skipped"


def test_queues_that_nobody_takes_or_that_are_slow() -> None:
    alone = reading(worker(1), queues=(queue("tm", 3, 5, 0), queue("tm.gpu", 2, 7, 0)))
    found = check_consumers(alone)
    assert found.cause == (
        "no worker takes the runs of tm (3, the oldest for 5 s), tm.gpu (2, the oldest for 7 s)"
    )
    assert found.cure == "Start one: threadmill worker MODULE."
    begun = reading(worker(1), queues=(queue("tm.gpu.begun", 2, 7, 0),))
    assert check_consumers(begun).cure == "Start one: threadmill worker --queue gpu MODULE."
    script = reading(worker(1), queues=(queue("tm.process-7-aa", 2, 7, 0),))
    assert check_consumers(script).cure.endswith("run a script there again.")
    slow = reading(worker(1, running=2), queues=(queue("tm", 3, 61, 1),))
    assert check_consumers(slow).state == "ok"
    found = check_waits(slow)
    assert (found.state, "2 of 100 slots are used" in found.cause) == ("warning", True)


def test_runs_that_are_held_by_workers_that_are_gone() -> None:
    scan = replace(reading().scan, holders=frozenset({"web:1:aaaa", "old:7:bbbb"}))
    found = check_holders(reading(worker(1), scan=scan))
    assert (found.state, found.cause) == (
        "warning",
        "runs are held by workers that are gone: old:7",
    )
    assert check_holders(reading(scan=scan)).state == "error"


def test_clocks_that_are_wrong() -> None:
    found = check_clocks(reading(worker(1), worker(2, clock_offset=-30)))
    assert (found.state, found.cause) == (
        "warning",
        "clocks differ from the server's: web:2 (-30 s)",
    )


def test_indexes_that_are_not_complete() -> None:
    for view, words in {
        IndexingView(COMPLETE, NOW, sees_others=True): "a worker of an earlier release",
        IndexingView(COMPLETE, NOW + 61, sees_others=False): "no worker has looked after",
        IndexingView(
            replace(COMPLETE, is_complete=False, keys=12_000, missing=7), NOW, sees_others=False
        ): "12,000 keys looked at, 7 entries added",
        IndexingView(
            replace(COMPLETE, is_doubted=True), NOW, sees_others=False
        ): "what earlier releases have stored is being indexed",
    }.items():
        found = check_indexes(reading(worker(1), indexing=view))
        assert (found.state, words in found.cause) == ("warning", True)
    found = check_indexes(reading(worker(1), index_keys=("customer", "team")))
    assert (found.state, "by team of their metadata" in found.cause) == ("warning", True)
    assert check_indexes(reading(worker(1), index_keys=("customer",))).state == "ok"
    assert check_indexes(reading()).state == "skipped"


@pytest.mark.parametrize("kind", REFUSED_WRITES)
def test_nothing_is_concluded_from_what_workers_cannot_write(kind: FailureKind) -> None:
    lapsed = worker(version=None, tools={}, assistants={}, tool_threads=None)
    found = reading(lapsed)
    refusal = WriteRefusal.of(Failure(kind, "it refuses"))
    found = replace(found, fleet=replace(found.fleet, write_refusal=refusal))
    states = {one.name: one.state for one in examine_fleet(found)}
    assert states.pop("workers.alive") == "ok"
    assert states.pop("runs.approvals") == "ok"
    assert set(states.values()) == {"skipped"}
    [alive, *_] = examine_fleet(replace(found, fleet=replace(found.fleet, workers=())))
    assert (alive.state, alive.cause) == (
        "skipped",
        f"not known: {refusal.cause}; workers cannot write",
    )


def test_a_worker_that_cannot_write_what_it_does_is_not_of_an_older_release() -> None:
    mute = worker(2, version=None, slots=None, tool_threads=None, is_mute=True)
    found = check_answers(reading(worker(1), mute))
    assert found.state == "warning"
    assert found.cause == "web:2 has a lease, but does not write what it does"
    assert check_versions(reading(worker(1), mute), "1.0").state == "ok"
    assert check_versions(reading(mute), "1.0").state == "skipped"
