"""A call that nobody has begun when its run ends: the model is told that it was not executed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.support.processes.last_release import last_release
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import close_client
from threadmill.testing import StandIn
from threadmill_shared.records.objects import RequiredCall

NOT_KNOWN = "Whether it had an effect is not known."
APPROVED = "It was approved, but not executed."
NOT_EXECUTED = "It was not executed."


def parked(run: Run, calls: int = 1) -> list[RequiredCall]:
    """So many calls that the run waits for, once it does."""

    def waiting() -> list[RequiredCall]:
        action = run.refresh().required_action
        return action.tool_calls if action and len(action.tool_calls) == calls else []

    return wait_until(waiting, "the run is parked")


def careful(text: str, thread: Thread) -> Run:
    return Assistant.load("careful").enqueue(text, thread=thread)


def told_next(standin: StandIn, thread: Thread) -> str:
    """What the model is sent in the thread's next run."""
    question = "What has happened?"
    assert Assistant().enqueue(question, thread=thread).wait(30).status == "completed"
    bodies = [str(one.body) for one in standin.requests]  # another run's may come after it
    return [body for body in bodies if question in body][-1]


@pytest.mark.parametrize("how", ["cancelled", "expired", "interrupted"])
def test_one_that_was_approved_is_not_executed_if_the_run_ends_while_another_is_undecided(
    how: str, standin: StandIn, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers.start("careful")
    if how == "expired":
        monkeypatch.setenv("THREADMILL_APPROVAL_SECONDS", "3")
        close_client()
    thread = Thread()
    run = careful('call refund {"order": 1} call refund {"order": 2}', thread)
    approved, _ = parked(run, calls=2)
    run.approve(approved.id)
    if how == "cancelled":
        run.cancel()
    if how == "interrupted":
        Assistant().enqueue("Stop!", thread=thread, when_busy="interrupt").wait(30)
    wanted = "expired" if how == "expired" else "cancelled"
    wait_until(lambda: run.refresh().status == wanted, "the run ends", 30)

    told = told_next(standin, thread)

    assert told.count(APPROVED) == 1
    assert told.count("before anybody approved this call; it was not executed.") == 1
    assert NOT_KNOWN not in told


def test_one_that_was_approved_is_not_executed_if_no_worker_was_left_to_begin_it(
    standin: StandIn, workers: Workers
) -> None:
    [lost] = workers.start("careful")
    thread = Thread()
    run = careful('call refund {"order": 1}', thread)
    [call] = parked(run)
    lost.kill()
    assert run.approve(call.id).status == "queued"
    assert run.cancel().status == "cancelled"
    workers.start("careful")

    told = told_next(standin, thread)

    assert APPROVED in told
    assert NOT_KNOWN not in told


@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_one_for_another_worker_is_not_executed_if_the_run_ends_before_that_takes_it(
    standin: StandIn, workers: Workers
) -> None:
    workers.start("toolbox")
    [able] = workers.start("careful", THREADMILL_CONCURRENCY="1")
    busy = careful("tokens=900 delay=0.05", Thread())
    wait_until(lambda: busy.refresh().worker == able.name, "that worker is busy")
    tools = {t.name: t for name in ("toolbox", "careful") for t in Assistant.load(name).tools}
    assistant = Assistant(tools=[tools[name] for name in ("show_int", "count_calls", "look_up")])
    thread = Thread()
    run = assistant.enqueue('call look_up {"order": 7}', thread=thread)
    wait_until(lambda: run.refresh().status == "queued" and run.steps, "it is handed over")
    assert run.cancel().status == "cancelled"

    told = told_next(standin, thread)

    assert NOT_EXECUTED in told
    assert NOT_KNOWN not in told
    busy.cancel()


def begun_and_cancelled(workers: Workers, folder: Path, python: str = sys.executable) -> Thread:
    """A thread whose run is ended without its worker, which is frozen in the middle of the call."""
    [frozen] = workers.start("careful", python=python)
    thread, mark = Thread(), folder / "begun"
    run = careful(f'call pack {{"mark": "{mark}"}}', thread)
    [call] = parked(run)
    run.approve(call.id)
    wait_until(mark.exists, "the call has begun")
    frozen.freeze()
    try:
        assert run.cancel().wait(20).status == "cancelled"
    finally:
        frozen.kill()
    return thread


def test_of_one_that_was_begun_nobody_knows_if_it_had_an_effect(
    standin: StandIn, workers: Workers, tmp_path: Path
) -> None:
    thread = begun_and_cancelled(workers, tmp_path)
    workers.start("careful")

    told = told_next(standin, thread)

    assert NOT_KNOWN in told
    assert NOT_EXECUTED not in told
    assert APPROVED not in told


@pytest.mark.apart
@pytest.mark.parametrize("api", ["responses"], indirect=True)
def test_so_it_is_if_a_worker_of_the_last_release_has_begun_it(
    standin: StandIn, workers: Workers, tmp_path: Path
) -> None:
    thread = begun_and_cancelled(workers, tmp_path, last_release(tmp_path))
    workers.start("careful")

    told = told_next(standin, thread)

    assert NOT_KNOWN in told
    assert NOT_EXECUTED not in told
    assert APPROVED not in told
