"""Following a run to its end, for a caller that waits."""

from __future__ import annotations

from threadmill.client.current import current_client
from threadmill.client.operations import drive_async, on_loop
from threadmill.handlers.session import HandlerSession
from threadmill.run import Run
from threadmill.runs.event_stream import EventStream
from threadmill.runs.local_calls import LocalCalls
from threadmill.runs.time_limit import GRACE_SECONDS, TimeLimit
from threadmill_shared import errors

PARKED = "thread.run.requires_action"
_CANCEL_SECONDS = 2.0
"""How long the first Ctrl-C waits for the run's end."""


async def follow(run: Run, told: HandlerSession | None, timeout: float | None) -> None:
    """Tell the handler what the run does, until that has ended.

    Raises:
        WaitTimeout: it had not ended after `timeout` seconds.
    """
    if told is None:
        await run._wait(timeout)  # noqa: SLF001  one package
        return
    limit = TimeLimit(timeout)
    # Made here: calls may outlast the loop of the hooks, and are not to wait for them either.
    local = run.local_calls()
    telling = _tell_all(run, told, local, limit, timeout)
    if told.is_async:
        # On one loop from its beginning to its end, so that what a hook leaves there goes on.
        await on_loop(drive_async(telling))
    else:
        await telling
    if told.failure is not None:
        await _outlast(run, told.failure, limit)


async def _tell_all(
    run: Run, told: HandlerSession, local: LocalCalls, limit: TimeLimit, timeout: float | None
) -> None:
    try:
        await told.begin(run)
        while (rewound := await _feed(run, told, local, limit)) is not None:
            await told.start_anew(rewound)
        if told.failure is None:
            await run._read(limit.left(GRACE_SECONDS))  # noqa: SLF001  one package
    except TimeoutError as error:
        timed_out = await run._timed_out(timeout)  # noqa: SLF001  one package
        await told.give_up(timed_out)
        raise timed_out from error
    except Exception as error:
        await told.give_up(error)
        raise
    finally:
        local.close()
        await told.end()


async def _feed(
    run: Run, told: HandlerSession, local: LocalCalls, limit: TimeLimit
) -> errors.LogRewound | None:
    """Tell all events, unless the handler fails, or the log has gone back."""
    stream = EventStream(current_client(), run.id, 0)
    try:
        while told.failure is None and (events := await stream.next(limit.left())) is not None:
            if any(event.event == PARKED for event in events):
                local.look()
            await told.tell(events)
    except errors.LogRewound as error:
        return error
    finally:
        await stream.close()
    return None


async def _outlast(run: Run, failure: Exception, limit: TimeLimit) -> None:
    """Wait for the end of a run whose handler has failed, and note at the error what became."""
    try:
        await run._wait(limit.left())  # noqa: SLF001  one package
    except errors.ThreadmillError as error:
        failure.add_note(f"threadmill: an event hook raised this. {error}")
        raise failure from error
    failure.add_note(
        f"threadmill: an event hook raised this; {run.id} continued, and is {run.status}."
    )


async def cancel_and_wait(run: Run) -> None:
    """What the first Ctrl-C does; the second one raises at once, and the cancel stays sent."""
    await run._cancel()  # noqa: SLF001  one package
    try:
        await run._wait(_CANCEL_SECONDS)  # noqa: SLF001  one package
    except errors.WaitTimeout:
        return
