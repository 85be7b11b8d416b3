"""Following a run to its end, for a caller that waits."""

from __future__ import annotations

from threadmill.client import current_client
from threadmill.handlers import EventHandler
from threadmill.local_calls import LocalCalls
from threadmill.run import GRACE_SECONDS, EventStream, Limit, Run
from threadmill_shared import errors

PARKED = "thread.run.requires_action"
_CANCEL_SECONDS = 2.0
"""How long the first Ctrl-C waits for the run's end."""


async def follow(run: Run, handler: EventHandler | None, timeout: float | None) -> None:
    """Feed the handler until the run has ended.

    Raises:
        WaitTimeout: it had not ended after `timeout` seconds.
    """
    if handler is None:
        await run._wait(timeout)  # noqa: SLF001  one package
        return
    limit = Limit(timeout)
    local = run.local_calls()
    try:
        handler.begin(run)
        while (rewound := await _feed(run, handler, local, limit)) is not None:
            handler.start_anew(rewound)
        await run._read(limit.left(GRACE_SECONDS))  # noqa: SLF001  one package
    except TimeoutError as error:
        raise await run._timed_out(timeout) from error  # noqa: SLF001  one package
    finally:
        local.close()
        handler.end()


async def _feed(
    run: Run, handler: EventHandler, local: LocalCalls, limit: Limit
) -> errors.LogRewound | None:
    """Feed the handler from the first event to the last, or until the log has gone back."""
    stream = EventStream(current_client(), run.id, 0)
    try:
        while (events := await stream.next(limit.left())) is not None:
            if any(event.event == PARKED for event in events):
                local.look()
            for event in events:
                handler.on_event(event)
    except errors.LogRewound as error:
        return error
    finally:
        await stream.close()
    return None


async def cancel_and_wait(run: Run) -> None:
    """What the first Ctrl-C does; the second one raises at once, and the cancel stays sent."""
    await run._cancel()  # noqa: SLF001  one package
    try:
        await run._wait(_CANCEL_SECONDS)  # noqa: SLF001  one package
    except errors.WaitTimeout:
        return
