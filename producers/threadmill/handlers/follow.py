"""Following a run to its end, for a caller that waits."""

from __future__ import annotations

from collections.abc import Sequence

from threadmill.client.current import current_client
from threadmill.client.operations import drive_async
from threadmill.client.user_loop import on_loop
from threadmill.handlers.session import HandlerSession, open_session
from threadmill.run import Run, requested_run
from threadmill.runs.checks import check_timeout
from threadmill.runs.event_stream import EventStream
from threadmill.runs.handles import AssistantHandle, ThreadHandle
from threadmill.runs.local_calls import LocalCalls
from threadmill.runs.options import RequestOptions, WaitOptions
from threadmill.runs.request import request_run
from threadmill.runs.time_limit import GRACE_SECONDS, TimeLimit
from threadmill.runs.waiting import (
    cancel_and_wait,
    read_run,
    wait_for_end,
    wait_timeout,
    wait_while_attended,
)
from threadmill_shared import errors
from threadmill_shared.tools import Tool

_PARKED = "thread.run.requires_action"


async def run_and_follow(
    assistant: AssistantHandle,
    message: str | None,
    thread: ThreadHandle,
    waiting: WaitOptions,
    options: RequestOptions,
) -> Run:
    """Enqueue a run, and follow it to its end: shared by all calls that run and wait.

    Args:
        assistant: the run's assistant.
        message: what the user says; None: no message is added to the thread.
        thread: the conversation.
        waiting: how the caller waits.
        options: the caller's options for the run.

    Raises:
        RunFailed: the run failed or expired.
        WaitTimeout: it had not ended in time; it continues.
        TypeError: an option is invalid, or the handler cannot be created.
        Exception: a hook of the handler raised it.
    """
    check_timeout(waiting.timeout)
    session = open_session(waiting.event_handler_class, waiting.event_handler_kwargs)
    assistant.pre_run_hook()
    requested = await request_run(assistant, message, thread, options)
    run = requested_run(requested)
    try:
        await follow(run, requested.functions, session, waiting.timeout)
    except KeyboardInterrupt:
        await cancel_and_wait(run, requested.functions)
        raise
    assistant.post_run_hook(run)
    if session is not None and session.failure is not None:
        raise session.failure
    return run.raise_for_status()


async def follow(
    run: Run, functions: Sequence[Tool], session: HandlerSession | None, timeout: float | None
) -> None:
    """Pass the run's events to the handler until the run has ended.

    Args:
        run: the handle.
        functions: those that this process executes if the run waits for their calls.
        session: the handler; None: there is none.
        timeout: seconds; None: without a limit.

    Raises:
        WaitTimeout: it had not ended after `timeout` seconds.
    """
    if session is None:
        await wait_for_end(run, functions, timeout)
        return
    limit = TimeLimit(timeout)
    # Made here: calls may outlast the loop of the hooks, and are not to wait for them either.
    local = LocalCalls(current_client(), run.id, functions)
    session.set_functions(functions)
    dispatching = _dispatch_all(run, session, local, limit, timeout)
    if session.is_async:
        # On one loop from its beginning to its end, so that what a hook leaves there continues.
        await on_loop(drive_async(dispatching))
    else:
        await dispatching
    if session.failure is not None:
        await _wait_after_failure(run, functions, session.failure, limit)


async def _dispatch_all(
    run: Run, session: HandlerSession, local: LocalCalls, limit: TimeLimit, timeout: float | None
) -> None:
    try:
        await session.begin(run)
        while (rewound := await _dispatch_log(run, session, local, limit)) is not None:
            await session.restart(rewound)
        if session.failure is None:
            await read_run(run, limit.left(GRACE_SECONDS))
    except TimeoutError as error:
        timed_out = await wait_timeout(run, timeout)
        await session.fail(timed_out)
        raise timed_out from error
    except Exception as error:
        await session.fail(error)
        raise
    finally:
        local.close()
        await session.end()


async def _dispatch_log(
    run: Run, session: HandlerSession, local: LocalCalls, limit: TimeLimit
) -> errors.LogRewound | None:
    """Dispatch all events, until the handler fails or the log has gone back; returns that error."""
    stream = EventStream(current_client(), run.id, 0)
    try:
        while session.failure is None and (events := await stream.next(limit.left())) is not None:
            if any(event.event == _PARKED for event in events):
                local.execute_parked()
            await session.dispatch(events)
    except errors.LogRewound as error:
        return error
    finally:
        await stream.close()
    return None


async def _wait_after_failure(
    run: Run, functions: Sequence[Tool], failure: Exception, limit: TimeLimit
) -> None:
    """Wait for the end of a run whose handler has failed, and note its status in the error.

    If the run waits for an answer that this process does not give, the error is raised at once:
    often it was the handler that should have given the answer.
    """
    try:
        has_ended = await wait_while_attended(run, functions, limit.left())
    except errors.ThreadmillError as error:
        failure.add_note(f"threadmill: an event hook raised this. {error}")
        raise failure from error
    if not has_ended:
        failure.add_note(
            f"threadmill: an event hook raised this; {run.id} is {run.status}, and continues when "
            "its calls are answered: run.submit_tool_outputs, run.approve or run.reject."
        )
        raise failure
    failure.add_note(
        f"threadmill: an event hook raised this; {run.id} continued, and is {run.status}."
    )
