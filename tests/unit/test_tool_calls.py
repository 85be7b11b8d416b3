import asyncio
import contextvars
import logging
import subprocess
import sys
import textwrap
import threading
import time

import pytest
import uvloop

from threadmill_shared.errors import ThreadLocked
from threadmill_shared.tools import (
    ENDRUN_TOKEN,
    CallContext,
    EndRun,
    as_tool,
    current_call,
    render_output,
    tool,
)
from threadmill_shared.tools.runner import ToolResult, ToolRunner

SECRET = "my-secret-words"


def context(call_id="call_1"):
    return CallContext(
        run_id="run_00a",
        thread_id="thread_00a",
        call_id=call_id,
        attempt=2,
        idempotency_key="key-1",
        assistant="Marvin",
        context={"user": "eve"},
    )


def play(scene, **options):
    """Run a scene, a function of a runner, on a loop of its own."""

    async def main():
        runner = ToolRunner(**options)
        try:
            return await scene(runner)
        finally:
            runner.close()

    return asyncio.run(main())


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


def call(function, arguments="{}", **options):
    return play(lambda runner: runner.call(as_tool(function), arguments, context()), **options)


# ---- what a tool gives --------------------------------------------------------------------------


def test_a_sync_tool_is_called_with_coerced_arguments_in_a_thread():
    def roll(n: int):
        return [n, threading.current_thread() is threading.main_thread()]

    assert call(roll, '{"n": "40"}') == ToolResult("[40,false]")


def test_an_async_tool_is_called_on_the_loop():
    async def roll(n: int):
        await asyncio.sleep(0)
        return [n, threading.current_thread() is threading.main_thread()]

    assert call(roll, '{"n": "40"}') == ToolResult("[40,true]")


def test_a_sync_wrapper_around_an_async_function_is_awaited():
    async def later(n: int):
        return n

    def roll(n: int):
        return later(n)

    assert call(roll, '{"n": 4}') == ToolResult("4")


def test_a_method_of_an_instance_is_a_tool():
    class Shop:
        @tool
        def refund(self, order: int):
            return f"refunded {order}"

    assert call(Shop().refund, '{"order": 7}') == ToolResult("refunded 7")


def test_wrong_arguments_are_told_to_the_model_and_the_tool_is_not_called():
    called = []

    def roll(n: int):
        called.append(n)

    result = call(roll, '{"n": "many"}')
    assert result.failed
    assert result.error == "ToolArgumentsInvalid"
    assert result.output.startswith("Error: The arguments of roll are not valid: n: ")
    assert called == []


def raises_sync():
    raise ValueError("no such order")


async def raises_async():
    raise ValueError("no such order")


@pytest.mark.parametrize("function", [raises_sync, raises_async])
def test_an_exception_becomes_an_error_for_the_model(function):
    result = call(function)
    assert result == ToolResult("Error: ValueError: no such order", failed=True, error="ValueError")


def exits_sync(kind: str):
    raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[kind](3)


async def exits_async(kind: str):
    exits_sync(kind)


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("function", [exits_sync, exits_async])
def test_a_tool_that_exits_does_not_take_the_worker_with_it(function, kind):
    result = call(function, f'{{"kind": "{kind}"}}')
    assert result == ToolResult(f"Error: {kind}: 3", failed=True, error=kind)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


def other_exceptions(kind: int):
    raise (
        StopIteration("over"),
        asyncio.CancelledError(),
        Mute(),
        RuntimeError("x" * 100_000),
        OSError("\udcff.txt"),
        ThreadLocked("busy", run_id="run_00b"),
    )[kind]


@pytest.mark.parametrize(
    ("kind", "error", "output"),
    [
        (0, "StopIteration", "Error: StopIteration: over"),
        (1, "CancelledError", "Error: CancelledError"),
        (2, "Mute", "Error: Mute"),
        (3, "RuntimeError", "Error: RuntimeError: xxx"),
        (4, "OSError", "Error: OSError: ?.txt"),
        (5, "ThreadLocked", "Error: ThreadLocked: busy"),
    ],
)
def test_whatever_is_raised_becomes_a_short_error(kind, error, output):
    result = call(other_exceptions, f'{{"kind": {kind}}}')
    assert result.failed
    assert result.error == error
    assert result.output.startswith(output)
    assert len(result.output) < 1100
    result.output.encode()


def test_an_async_tool_that_cancels_itself_has_failed():
    async def roll():
        raise asyncio.CancelledError

    result = call(roll)
    assert (result.failed, result.error) == (True, "CancelledError")


def test_an_output_over_the_limit_is_given_from_its_beginning_and_is_no_failure(caplog):
    def read(n: int):
        return "ü" * n

    whole = call(read, '{"n": 500}', max_output_bytes=1000)
    assert (whole.output, whole.error) == ("ü" * 500, None)
    result = call(read, '{"n": 501}', max_output_bytes=1000)
    assert (result.failed, result.error, result.end) == (False, None, None)
    begin, _, note = result.output.partition("\n[")
    assert begin == "ü" * len(begin)
    assert 400 < len(begin) < 500
    size = len(begin.encode())
    assert f"the first {size} of its 1002 bytes" in note
    assert f"the other {1002 - size}" in note
    assert len(result.output.encode()) <= 1000
    assert "gave 1002 bytes" in caplog.text
    assert "ü" not in caplog.text


@pytest.mark.parametrize("value", ["🍵" * 400, "aü🍵" * 300, ["ü"] * 400, {"a": "🍵" * 400}])
@pytest.mark.parametrize("limit", [1, 7, 300, 301, 302, 303, 1000])
def test_a_cut_output_ends_with_a_whole_character(value, limit):
    def read():
        return value

    output = call(read, max_output_bytes=limit).output
    begin, _, note = output.rpartition("\n[")
    assert render_output(value).startswith(begin)
    assert "was cut" in note
    assert len(begin.encode()) <= limit
    assert limit < 300 or len(output.encode()) <= limit


def test_an_output_that_is_no_json_is_a_failure_that_says_so():
    def read():
        return object()

    result = call(read)
    assert (result.failed, result.error) == (True, "ToolError")
    assert "cannot be written as JSON" in result.output


# ---- the end of the run ----------------------------------------------------------------------


def end_raised():
    raise EndRun(data={"total": (1, 2)})


async def end_raised_async():
    raise EndRun(data={"total": (1, 2)})


def end_returned():
    return EndRun(data={"total": (1, 2)})


@pytest.mark.parametrize("function", [end_raised, end_raised_async, end_returned])
def test_end_run_ends_the_run_with_its_data(function):
    result = call(function)
    assert not result.failed
    assert result.end is not None
    assert result.end.data == {"total": [1, 2]}


def test_the_end_run_token_ends_the_run_without_data():
    result = call(lambda_named)
    assert not result.failed
    assert result.end is not None
    assert result.end.data is None


def lambda_named():
    return ENDRUN_TOKEN


def test_end_run_with_data_that_is_no_json_is_a_failure_that_says_so():
    def stop():
        raise EndRun(data=object())

    result = call(stop)
    assert (result.end, result.failed, result.error) == (None, True, "ToolError")
    assert "EndRun(data=...)" in result.output


# ---- time ------------------------------------------------------------------------------------


def test_parallel_calls_run_in_parallel():
    met = threading.Barrier(3)  # only those that run at the same time get past it

    async def meet_async():
        await asyncio.to_thread(met.wait, 10)

    def meet():
        met.wait(10)

    async def scene(runner):
        tools = [as_tool(meet_async), as_tool(meet), as_tool(meet)]
        return await asyncio.gather(*(runner.call(each, "", context()) for each in tools))

    assert play(scene) == [ToolResult("")] * 3


def test_a_tool_over_its_time_has_failed_and_its_late_result_is_ignored():
    released = threading.Event()

    @tool(timeout=0.1)
    def stuck():
        released.wait(10)
        return "late"

    complaints = []

    async def scene(runner):
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
        result = await runner.call(as_tool(stuck), "", context())
        released.set()
        # The thread is free again, and the next call gets its own result.
        return result, await runner.call(as_tool(tool(lambda: "next", name="n")), "", context())

    result, following = play(scene, max_threads=1)
    assert (result.failed, result.error) == (True, "ToolTimedOut")
    assert "stuck timed out after 0.1 s" in result.output
    assert following == ToolResult("next")
    assert complaints == []


def test_an_async_tool_over_its_time_is_cancelled_even_if_it_resists():
    cancelled = []

    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            cancelled.append(True)
            await asyncio.sleep(0.2)
        return "late"

    began = time.monotonic()
    result = call(stubborn, default_timeout=0.1)
    assert (result.error, cancelled) == ("ToolTimedOut", [True])
    assert time.monotonic() - began < 1


def test_a_call_that_finds_no_free_thread_says_that_nothing_was_called():
    begun, released = threading.Event(), threading.Event()
    called = []

    def stuck():
        begun.set()
        released.wait(10)

    def quick():
        called.append(True)

    async def scene(runner):
        stuck_call = asyncio.create_task(runner.call(as_tool(stuck), "", context()))
        await until(begun.is_set)
        result = await runner.call(as_tool(tool(quick, timeout=0.1)), "", context())
        released.set()
        await stuck_call
        return result

    result = play(scene, max_threads=1)
    assert result.error == "ToolTimedOut"
    assert "quick was not called: all 1 threads" in result.output
    assert called == []


def test_no_more_threads_work_at_a_time_than_allowed():
    working, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.01)
        with lock:
            working -= 1

    async def scene(runner):
        calls = [runner.call(as_tool(work), "", context()) for _ in range(30)]
        return await asyncio.gather(*calls)

    results = play(scene, max_threads=4)
    assert results == [ToolResult("")] * 30
    assert most == 4


@pytest.mark.parametrize("is_async", [True, False])
def test_the_callers_cancellation_is_not_held_up_by_the_tool(is_async):
    begun, released = threading.Event(), threading.Event()

    async def stubborn_async():
        begun.set()
        while not released.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    def stubborn_sync():
        begun.set()
        released.wait(10)

    async def scene(runner):
        chosen = as_tool(stubborn_async if is_async else stubborn_sync)
        waiting = asyncio.create_task(runner.call(chosen, "", context()))
        await until(begun.is_set)
        began = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        seconds = time.monotonic() - began
        released.set()
        return seconds

    assert play(scene) < 0.1


def test_an_async_tool_learns_of_the_callers_cancellation():
    begun, learned = threading.Event(), threading.Event()

    async def wait():
        begun.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            learned.set()
            raise

    async def scene(runner):
        waiting = asyncio.create_task(runner.call(as_tool(wait), "", context()))
        await until(begun.is_set)
        waiting.cancel()
        await until(learned.is_set)

    play(scene)


def test_a_cancelled_wait_for_a_thread_leaves_no_thread_taken():
    begun, released = threading.Event(), threading.Event()

    def stuck():
        begun.set()
        released.wait(10)
        return "done"

    async def scene(runner):
        first = asyncio.create_task(runner.call(as_tool(stuck), "", context()))
        waiting = [
            asyncio.create_task(runner.call(as_tool(stuck), "", context())) for _ in range(5)
        ]
        await until(begun.is_set)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
        released.set()
        await first
        return await runner.call(as_tool(stuck), "", context())

    assert play(scene, max_threads=1, default_timeout=2) == ToolResult("done")


# ---- the current call ------------------------------------------------------------------------


request_id = contextvars.ContextVar("request_id")


def whoami_sync():
    return [current_call().call_id, current_call().context["user"], request_id.get()]


async def whoami_async():
    await asyncio.sleep(0.001)
    return whoami_sync()


def test_tools_know_their_own_call_and_the_callers_context_variables():
    async def scene(runner):
        request_id.set("r-1")
        calls = [
            runner.call(as_tool(function), "", context(f"call_{index}"))
            for index, function in enumerate([whoami_sync, whoami_async] * 20)
        ]
        results = await asyncio.gather(*calls)
        with pytest.raises(LookupError):
            current_call()
        return results

    results = play(scene)
    assert [each.output for each in results] == [f'["call_{i}","eve","r-1"]' for i in range(40)]


# ---- logs and ends ---------------------------------------------------------------------------


def logged_sync(text: str):
    raise ValueError(text)


async def logged_async(text: str):
    raise SystemExit(text)


late = threading.Event()


def logged_late(text: str):
    time.sleep(0.05)
    try:
        raise ValueError(text)
    finally:
        late.set()


@pytest.mark.parametrize("function", [logged_sync, logged_async, logged_late])
def test_logs_name_tool_call_and_class_and_nothing_that_was_said(function, caplog, capfd):
    caplog.set_level(logging.DEBUG)

    async def scene(runner):
        asyncio.get_running_loop().set_debug(True)
        made = tool(function, timeout=0.02) if function is logged_late else as_tool(function)
        await runner.call(made, f'{{"text": "{SECRET}"}}', context("call_7"))
        await runner.call(made, f'{{"wrong": "{SECRET}"}}', context("call_8"))
        if function is logged_late:
            await until(late.is_set)

    play(scene)
    ours = [record.getMessage() for record in caplog.records if "tool" in record.name]
    assert len(ours) == 2
    where = "run_00a, thread_00a, assistant 'Marvin'"
    assert ours[0].startswith(f"tool {function.__name__} failed in call call_7 of {where}: ")
    cause = "ToolArgumentsInvalid (not executed: invalid arguments)"
    assert ours[1].endswith(f"call_8 of {where}: {cause}")
    assert SECRET not in caplog.text
    assert SECRET not in "".join(capfd.readouterr())


def raise_it(error):
    raise error


def failing_sync():
    raise_it(ValueError(SECRET))


async def failing_async():
    raise_it(ValueError(SECRET))


@pytest.mark.parametrize("function", [failing_sync, failing_async])
def test_the_log_says_where_a_tool_failed(function, caplog):
    play(lambda runner: runner.call(as_tool(function), "{}", context("call_7")))
    line, raised = (f.__code__.co_firstlineno + 1 for f in (function, raise_it))
    [message] = [record.getMessage() for record in caplog.records]
    assert message.endswith(f"ValueError at {__file__}:{line} (raised at {__file__}:{raised})")


def too_slow():
    time.sleep(0.1)


def no_json():
    return object()


async def cancelled():
    raise asyncio.CancelledError(SECRET)


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (tool(too_slow, timeout=0.02), "ToolTimedOut (timed out after 0.02 s)"),
        (no_json, "ToolError (its return value is not JSON)"),
        (cancelled, "CancelledError (cancelled from inside)"),
    ],
)
def test_the_log_says_why_a_call_failed_in_which_no_line_of_the_tool_did(function, cause, caplog):
    play(lambda runner: runner.call(as_tool(function), "{}", context()))
    [message] = [record.getMessage() for record in caplog.records]
    assert message.endswith(f": {cause}")


def test_the_log_tells_a_call_without_a_thread_from_a_slow_one(caplog):
    async def scene(runner):
        slow = asyncio.create_task(runner.call(as_tool(too_slow), "", context()))
        await until(lambda: runner.thread_counts().busy == 1)
        await runner.call(as_tool(tool(too_slow, timeout=0.01)), "", context())
        await slow

    play(scene, max_threads=1)
    [message] = [record.getMessage() for record in caplog.records]
    assert message.endswith(": ToolTimedOut (not executed: no thread was free for 0.01 s)")


def test_the_log_says_if_a_process_cannot_start_a_thread(caplog, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    async def scene(runner):
        monkeypatch.setattr(threading.Thread, "start", refuse)
        try:
            return await runner.call(as_tool(too_slow), "", context())
        finally:
            monkeypatch.undo()

    result = play(scene)
    assert "too_slow was not called" in result.output
    [message] = [record.getMessage() for record in caplog.records]
    assert message.endswith(": RuntimeError (not executed: cannot start another thread)")


def test_a_stuck_tool_keeps_no_process_from_ending():
    script = """
        import asyncio, threading
        from threadmill_shared.tools import CallContext, as_tool
        from threadmill_shared.tools.runner import ToolRunner

        def stuck():
            threading.Event().wait()

        async def main():
            runner = ToolRunner(default_timeout=0.1)
            context = CallContext(
                run_id="r", thread_id="t", call_id="c", attempt=1, idempotency_key="k"
            )
            result = await runner.call(as_tool(stuck), "", context)
            runner.close()
            print(result.error)

        asyncio.run(main())
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    ended = subprocess.run(command, timeout=20, capture_output=True, text=True, check=True)
    assert ended.stdout == "ToolTimedOut\n"
    assert SECRET not in ended.stderr


def test_a_closed_runner_refuses_calls_and_keeps_no_idle_thread():
    before = threading.active_count()

    async def scene(runner):
        await runner.call(as_tool(lambda_named), "", context())
        assert threading.active_count() == before + 1
        runner.close()
        with pytest.raises(RuntimeError, match="closed"):
            await runner.call(as_tool(lambda_named), "", context())

    play(scene)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.001)
    assert threading.active_count() == before


def test_calls_work_on_uvloop_too():
    async def main():
        runner = ToolRunner()
        calls = [
            runner.call(as_tool(function), "", context())
            for function in (whoami_outer, whoami_outer_async)
        ]
        results = await asyncio.gather(*calls)
        runner.close()
        return [each.output for each in results]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        assert loop.run(main()) == ["call_1", "call_1"]


def whoami_outer():
    return current_call().call_id


async def whoami_outer_async():
    return current_call().call_id
