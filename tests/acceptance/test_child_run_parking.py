"""A tool asks an assistant whose run parks: that goes on though its parent has the only slot."""

from __future__ import annotations

import pytest
from tests.support.processes.worker import Workers
from tests.support.waiting import wait_until

from threadmill import Assistant, Run, Thread
from threadmill.client.current import current_client
from threadmill.client.operations import drive

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def parked_child() -> Run:
    """The run that waits for an approval."""

    def find() -> list[str]:
        buckets = current_client().store.session.keys.buckets()
        return [run_id for bucket in buckets for run_id in drive(_zrange(f"{bucket}parked"))]

    return Run.load(wait_until(find, "a run is parked")[0])


def outputs(run: Run) -> list[str | None]:
    return [call.output for step in run.steps for call in step.tool_calls]


async def _zrange(key: str) -> list[str]:
    client = current_client()
    found: list[str] = await client.call(client.store.session.runner.command("ZRANGE", key, 0, -1))
    return found


@pytest.mark.parametrize("name", ["ask_the_cashier", "tell_the_cashier"])
def test_a_child_that_was_approved_needs_no_slot(workers: Workers, name: str) -> None:
    workers.start("asking", THREADMILL_CONCURRENCY="1")
    run = Assistant.load("asking").enqueue(f'call {name} {{"amount": 3}}')
    child = parked_child()
    assert child.required_action is not None
    child.approve(child.required_action.tool_calls[0].id)
    assert run.wait(15).status == "completed"
    assert outputs(run) == ["pay answered: 3 paid."]


def test_a_child_whose_function_the_tool_has_executed_needs_no_slot(workers: Workers) -> None:
    workers.start("asking", THREADMILL_CONCURRENCY="1")
    run = Assistant.load("asking").enqueue('call ask_with_a_function {"word": "tea"}').wait(15)
    assert (run.status, outputs(run)) == ("completed", ["echo answered: tea."])


def test_children_that_were_enqueued_together_need_no_slot(workers: Workers) -> None:
    workers.start("asking", THREADMILL_CONCURRENCY="1")
    run = Assistant.load("asking").enqueue('call ask_twice {"word": "tea"}').wait(15)
    assert outputs(run) == ["completed:tea one completed:tea two"]


def test_none_of_many_is_stored_if_one_would_wait_for_the_tool_that_enqueues_it(
    workers: Workers,
) -> None:
    workers.start("asking", THREADMILL_CONCURRENCY="1")
    run = Assistant.load("asking").enqueue('call ask_here {"word": "tea"}').wait(15)
    assert "job 1 of enqueue_many" in str(outputs(run))
    assert Thread(key="elsewhere").runs() == []
