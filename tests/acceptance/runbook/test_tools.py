"""Incidents of tools and their threads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.support.processes.worker import Workers
from tests.support.runbook import Operator
from tests.support.waiting import wait_until

from threadmill import Assistant, Run

Begin = Callable[..., Run]
REMEMBER = 'call remember {"word": "tea"}'
BROKEN = '''
from threadmill import Assistant

def price() -> int:
    """Look a price up."""
    return {}["tea"]

ai = Assistant("shop", tools=[price])
'''
DAWDLE = 'call dawdle {"seconds": 3600}'


def test_a_tool_never_returns(operator: Operator, workers: Workers, begin: Begin) -> None:
    [worker] = workers.start("dangerous", THREADMILL_TOOL_SECONDS="1")
    run = begin(DAWDLE)
    assert run.wait(30).status == "completed"
    operator.look(log=worker.log, RUN_ID=run.id, WORKER=worker.name)
    operator.cure(PID=str(worker.pid), MODULE="dangerous")
    assert worker.ends()
    assert begin(REMEMBER).wait(30).status == "completed"


def test_calls_wait_for_a_thread(
    operator: Operator, workers: Workers, begin: Begin, notes: Path
) -> None:
    [worker] = workers.start("dangerous", THREADMILL_TOOL_THREADS="1")
    first = begin(DAWDLE)
    wait_until(lambda: "begin:dawdle" in notes.read_text(), "the thread is taken", 20)
    second = begin(DAWDLE)
    operator.look(log=worker.log, RUN_ID=second.id)
    operator.cure(MODULE="dangerous")
    worker.terminate()  # so that the next runs go to the new one
    others = [begin(DAWDLE), begin(DAWDLE)]
    [new] = operator.started
    at_once = rf"begin:dawdle \S+ {new.pid}\n"
    wait_until(lambda: len(re.findall(at_once, notes.read_text())) >= 2, "two are executed", 20)
    for run in (first, second, *others):
        run.cancel()


def test_a_tool_fails(operator: Operator, workers: Workers, tmp_path: Path) -> None:
    operator.folder = tmp_path
    shop = tmp_path / "shop.py"
    shop.write_text(BROKEN)
    [worker] = workers.start("shop", folder=tmp_path)
    run = Assistant.load("shop").enqueue("call price {}").wait(30)
    assert run.status == "completed"
    operator.look(log=worker.log, RUN_ID=run.id)
    shop.write_text(BROKEN.replace('["tea"]', '.get("tea", 3)'))
    worker.terminate()
    operator.cure(MODULE="shop")
    again = Assistant.load("shop").enqueue("call price {}").wait(30)
    assert [call.output for step in again.steps for call in step.tool_calls] == ["3"]
