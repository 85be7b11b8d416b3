"""Threads for sync tools: calls that nobody waits for any more take no room of others."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.waiting import wait_until_async

from threadmill_shared.tools import CallContext, as_tool, tool
from threadmill_shared.tools import threads as module
from threadmill_shared.tools.runner import ToolResult, ToolRunner
from threadmill_shared.tools.thread_counts import ThreadCounts

SECRET = "said-by-a-user"


def context(run_id: str = "run_00a") -> CallContext:
    return CallContext(
        run_id=run_id, thread_id="thread_00a", call_id="call_1", attempt=1, idempotency_key="k"
    )


class Scene:
    """A runner, and a tool that does not return until the test says so."""

    def __init__(self, limit: int) -> None:
        self.exhausted: list[int] = []
        self.runner = ToolRunner(limit, on_exhausted=self.exhausted.append)
        self._released = threading.Event()

    async def call(self, seconds: float = 0.02, run_id: str = "run_00a") -> ToolResult:
        """A call that nobody waits for after these seconds."""
        stuck = tool(self._wait, name="stuck", timeout=seconds)
        return await self.runner.call(as_tool(stuck), f'{{"what": "{SECRET}"}}', context(run_id))

    async def abandon(self, count: int) -> None:
        before = self.runner.thread_counts().abandoned
        results = [await self.call() for _ in range(count)]
        assert {result.error for result in results} == {"ToolTimedOut"}
        await self.until(lambda counts: counts.abandoned == before + count)

    async def quick(self, seconds: float = 5) -> ToolResult:
        quick = tool(lambda: "quick", name="quick", timeout=seconds)
        return await self.runner.call(as_tool(quick), "", context())

    async def until(self, condition: Callable[[ThreadCounts], bool]) -> None:
        await wait_until_async(lambda: condition(self.runner.thread_counts()))

    def release(self) -> None:
        self._released.set()

    def catch(self) -> None:
        """Let the next calls not return again."""
        self._released.clear()

    def _wait(self, what: str) -> str:
        assert self._released.wait(60)
        return "late"


def play(limit: int, act: Callable[[Scene], Awaitable[Any]]) -> Scene:
    async def main() -> Scene:
        scene = Scene(limit)
        try:
            await act(scene)
        finally:
            scene.release()
            scene.runner.close()
        return scene

    return asyncio.run(main())


def tool_threads() -> int:
    return sum(one.name.startswith("threadmill-tool-") for one in threading.enumerate())


def test_abandoned_calls_do_not_delay_another_one() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(4)
        assert scene.runner.thread_counts() == ThreadCounts(2, busy=0, abandoned=4, waiting=0)
        assert await scene.quick(seconds=0.5) == ToolResult("quick")

    assert play(2, act).exhausted == []


@pytest.mark.parametrize("ticks", range(6))
def test_a_call_whose_run_was_cancelled_at_any_moment_is_abandoned(ticks: int) -> None:
    async def act(scene: Scene) -> None:
        call = asyncio.ensure_future(scene.call(seconds=60))
        for _ in range(ticks):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait([call])
        await scene.until(lambda counts: counts.busy == 0)
        assert await scene.quick(seconds=0.5) == ToolResult("quick")

    play(1, act)


def test_live_calls_and_no_more_are_executed_at_a_time_beside_abandoned_ones() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(3)
        live = [asyncio.ensure_future(scene.call(seconds=60)) for _ in range(5)]
        await scene.until(lambda counts: counts.waiting == 3)
        assert scene.runner.thread_counts() == ThreadCounts(2, busy=2, abandoned=3, waiting=3)
        scene.release()
        assert [await one for one in live] == [ToolResult("late")] * 5
        await scene.until(lambda counts: counts == ThreadCounts(2, 0, 0, 0))

    play(2, act)


def test_threads_that_abandoned_calls_made_necessary_end_with_them() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(5)
        assert await scene.quick() == ToolResult("quick")
        scene.release()
        await scene.until(lambda counts: counts.abandoned == 0)
        await wait_until_async(lambda: tool_threads() <= before + 2)
        assert await scene.quick() == ToolResult("quick")

    before = tool_threads()
    play(2, act)


def test_as_many_abandoned_calls_as_can_be_replaced_are_reported_once() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(module.LEAST_SPARE - 1)
        assert scene.exhausted == []
        await scene.abandon(1)

    scene = play(2, act)
    assert scene.exhausted == [module.LEAST_SPARE]


def test_a_process_with_many_threads_bears_as_many_abandoned_calls() -> None:
    async def act(scene: Scene) -> None:
        await asyncio.gather(*(scene.call() for _ in range(11)))
        assert scene.exhausted == []
        await scene.call()

    assert play(12, act).exhausted == [12]


async def cancel(scene: Scene, count: int, seconds: float) -> None:
    """Abandon calls that have these seconds, long before these are over."""
    before = scene.runner.thread_counts().abandoned
    for _ in range(count):
        call = asyncio.ensure_future(scene.call(seconds))
        await scene.until(lambda counts: counts.busy > 0)
        call.cancel()
        await asyncio.wait([call])
    await scene.until(lambda counts: counts.abandoned == before + count)


def test_cancelled_calls_may_still_return_and_do_not_have_the_process_replaced() -> None:
    async def act(scene: Scene) -> None:
        await cancel(scene, module.LEAST_SPARE, seconds=60)
        assert scene.runner.abandoned_tools() == {"stuck": module.LEAST_SPARE}
        scene.release()
        await scene.until(lambda counts: counts.abandoned == 0)
        assert not scene.runner.abandoned_tools()

    assert play(2, act).exhausted == []


def test_cancelled_calls_that_have_the_room_of_a_waiting_one_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STARVED_SECONDS", 0.05)

    async def act(scene: Scene) -> None:
        await cancel(scene, module.LEAST_SPARE, seconds=60)
        await scene.quick()
        await asyncio.sleep(0.1)
        assert scene.exhausted == []
        await cancel(scene, 1, seconds=60)
        waiting = asyncio.ensure_future(scene.quick())
        await wait_until_async(lambda: scene.exhausted != [])
        scene.release()
        assert await waiting == ToolResult("quick")

    assert play(1, act).exhausted == [module.LEAST_SPARE + 1]


def test_a_call_that_waits_for_live_ones_is_no_reason_to_replace_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STARVED_SECONDS", 0.01)

    async def act(scene: Scene) -> None:
        await cancel(scene, module.LEAST_SPARE, seconds=60)
        live = [asyncio.ensure_future(scene.call(seconds=60)) for _ in range(2)]
        await scene.until(lambda counts: counts.waiting == 1)
        await asyncio.sleep(0.05)
        scene.release()
        await asyncio.gather(*live)

    assert play(1, act).exhausted == []


def test_cancelled_calls_that_still_run_after_their_time_are_reported() -> None:
    async def act(scene: Scene) -> None:
        await cancel(scene, module.LEAST_SPARE, seconds=1)
        assert scene.exhausted == []
        await wait_until_async(lambda: scene.exhausted != [])
        scene.release()
        await scene.until(lambda counts: counts.abandoned == 0)
        await asyncio.gather(*(scene.call() for _ in range(3)))

    assert play(2, act).exhausted == [module.LEAST_SPARE]


def test_a_process_that_was_exhausted_is_so_again_only_after_all_calls_have_returned() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(module.LEAST_SPARE + 1)
        scene.release()
        await scene.until(lambda counts: counts.abandoned == 0)
        assert len(scene.exhausted) == 1
        scene.catch()
        await scene.abandon(module.LEAST_SPARE)

    assert play(2, act).exhausted == [module.LEAST_SPARE] * 2


def test_further_abandoned_calls_take_the_room_of_others_until_they_end() -> None:
    async def act(scene: Scene) -> None:
        await scene.abandon(module.LEAST_SPARE + 2)
        refused = await scene.quick(seconds=0.1)
        assert "was not called" in refused.output
        scene.release()
        assert await scene.quick() == ToolResult("quick")
        await scene.until(lambda counts: counts.abandoned == 0)
        results = await asyncio.gather(*(scene.quick() for _ in range(9)))
        assert results == [ToolResult("quick")] * 9

    assert play(2, act).exhausted == [module.LEAST_SPARE]


def test_the_log_names_an_abandoned_call_that_does_not_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.01)

    async def act(scene: Scene) -> None:
        await scene.call(run_id="run_0b0")
        await wait_until_async(lambda: "nobody waits for tool" in caplog.text)

    play(2, act)
    assert "nobody waits for tool stuck (call call_1 of run_0b0, begun 0 s ago)" in caplog.text
    assert "such calls: 1, of at most 8" in caplog.text
    assert SECRET not in caplog.text


def test_the_log_tells_the_end_of_an_abandoned_call_that_it_has_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.01)
    caplog.set_level(logging.INFO)

    async def act(scene: Scene) -> None:
        await scene.call(run_id="run_0b0")
        await wait_until_async(lambda: "nobody waits for tool" in caplog.text)
        assert "has returned" not in caplog.text
        scene.release()
        await wait_until_async(lambda: "has returned" in caplog.text)

    play(2, act)
    [line] = [one for one in caplog.records if "has returned" in one.message]
    assert line.message.startswith("tool stuck (call call_1 of run_0b0, begun ")
    assert line.message.endswith("calls that nobody waits for: 0")
    assert vars(line)["threadmill_fields"]["run"] == "run_0b0"
    assert SECRET not in caplog.text


def test_an_abandoned_call_that_ends_soon_is_not_worth_a_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ABANDONED_SECONDS", 0.05)

    async def act(scene: Scene) -> None:
        await scene.call()
        scene.release()
        await scene.until(lambda counts: counts.abandoned == 0)
        await asyncio.sleep(0.1)

    play(2, act)
    assert "nobody waits" not in caplog.text


def test_the_log_names_a_call_that_waits_and_the_one_it_waits_for_and_not_each(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_SECONDS", 0.01)

    async def act(scene: Scene) -> None:
        calls = [asyncio.ensure_future(scene.call(60, run_id=f"run_{n}")) for n in range(5)]
        await wait_until_async(lambda: "waits for a thread" in caplog.text)
        await asyncio.sleep(0.05)
        scene.release()
        await asyncio.gather(*calls)

    play(2, act)
    [line] = [one for one in caplog.messages if "waits for a thread" in one]
    assert line.startswith("tool stuck waits for a thread (call call_1 of run_2); such calls: 3;")
    assert line.endswith(
        "allows 2 at a time, of which the oldest is stuck (call call_1 of run_0, begun 0 s ago)"
    )
    assert SECRET not in caplog.text


def test_calls_that_go_on_waiting_are_told_again_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_SECONDS", 0.01)
    monkeypatch.setattr(module, "REPORT_SECONDS", 0.05)

    def told() -> list[str]:
        return [one for one in caplog.messages if "waits for a thread" in one]

    async def act(scene: Scene) -> None:
        calls = [asyncio.ensure_future(scene.call(60, run_id=f"run_{n}")) for n in range(3)]
        await wait_until_async(lambda: len(told()) == 2)
        scene.release()
        await asyncio.gather(*calls)

    play(1, act)
    assert [line.partition(")")[0] for line in told()] == [
        f"tool stuck waits for a thread (call call_1 of run_{n}" for n in (1, 2)
    ]


def test_a_short_wait_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def act(scene: Scene) -> None:
        await asyncio.gather(*(scene.quick() for _ in range(20)))

    play(1, act)
    assert "waits for a thread" not in caplog.text
