"""How runs of one process look for a worker that has a function."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from threadmill_shared import errors
from threadmill_shared.records.workers import WorkerInfo
from threadmill_shared.tools import ToolSpec
from threadmill_workers.execution import worker_wait
from threadmill_workers.execution.worker_wait import WorkerWait
from threadmill_workers.execution.worker_watch import WorkerWatch

SPEC = ToolSpec(name="refund", parameters={"type": "object"}, identity="shop:refund", digest="0")


def worker(name: str) -> WorkerInfo:
    return WorkerInfo(id=name, worker=name, since=0, queue=name)


class Fleet:
    """What the store says of the workers; notes what it was asked."""

    def __init__(self, lives: Callable[[int], list[WorkerInfo]], seconds: float = 0) -> None:
        self._lives = lives
        self._seconds = seconds
        self.looks = 0
        self.asked: list[str] = []

    async def alive(self) -> list[WorkerInfo]:
        await asyncio.sleep(self._seconds)
        self.looks += 1
        return self._lives(self.looks)

    async def worker_with_more(
        self, _tools: Sequence[ToolSpec], _than: int, *, queue: str | None, among: list[WorkerInfo]
    ) -> WorkerInfo | None:
        assert queue == "threadmill"
        self.asked += [one.id for one in among]
        return next((one for one in among if one.id == "able"), None)


class Held:
    record = SimpleNamespace(id="run_1")

    @contextlib.contextmanager
    def waiting_for_worker(self, function: str) -> Iterator[None]:
        yield


def wait_of(fleet: Fleet, seconds: float, watch: Any = None) -> WorkerWait:
    some: Any = fleet
    held = cast("Any", Held())
    return WorkerWait(held, some, watch or some, queue="threadmill", seconds=seconds)


async def test_runs_that_wait_share_a_look() -> None:
    fleet = Fleet(lambda _: [worker("able")])
    watch = WorkerWatch(cast("Any", fleet))
    waits = [wait_of(fleet, 60, watch).wait_for_any([SPEC]) for _ in range(50)]
    assert {found.id for found in await asyncio.gather(*waits)} == {"able"}
    assert fleet.looks == 1


async def test_a_worker_is_asked_again_only_if_it_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_wait, "LOOK_SECONDS", 0.001)
    lacking, other = worker("lacking"), worker("other")
    looks = [[lacking], [lacking, other], [other], [lacking, other], [other, worker("able")]]
    fleet = Fleet(lambda look: looks[look - 1])
    assert (await wait_of(fleet, 60).wait_for_any([SPEC])).id == "able"
    assert fleet.asked == ["lacking", "other", "lacking", "able"]


async def test_time_in_which_the_store_does_not_answer_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_wait, "LOOK_SECONDS", 0.01)
    fleet = Fleet(lambda look: [worker("able")] if look == 3 else [], seconds=0.03)
    assert (await wait_of(fleet, 0.02).wait_for_any([SPEC])).id == "able"


async def test_the_error_says_how_long_it_was_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_wait, "LOOK_SECONDS", 0.01)
    wait = wait_of(Fleet(lambda _: []), 0.02)
    with pytest.raises(errors.ToolNotFound, match=r"\(shop:refund\), and none has come within 0.0"):
        await wait.wait_for_any([SPEC])


@pytest.mark.parametrize("identity", ["__main__@5f0c94be71d2:refund", "shop:f.<locals>.g@5f0c.1"])
def test_no_other_process_is_waited_for_if_none_can_have_the_function(identity: str) -> None:
    wait = wait_of(Fleet(lambda _: []), 60)
    wait.refuse_hopeless([SPEC])
    with pytest.raises(errors.ToolNotFound, match="Load its module"):
        wait.refuse_hopeless([SPEC.model_copy(update={"identity": identity})])
