"""Reading a run, waiting for its end, and changing it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from threadmill.client.current import current_client
from threadmill.runs.handles import RunHandle
from threadmill.runs.local_calls import LocalCalls
from threadmill.runs.time_limit import GRACE_SECONDS, TimeLimit, within
from threadmill_shared import errors
from threadmill_shared.records.texts import checked_metadata
from threadmill_shared.tools import Tool

if TYPE_CHECKING:
    from threadmill.client.client import Client

_CANCEL_SECONDS = 2.0
"""How long the first Ctrl-C waits for the run's end."""


async def read_run(run: RunHandle, seconds: float | None = None) -> None:
    """Read a run again, and update its handle.

    Args:
        run: the handle.
        seconds: how long Redis may take; None: without a limit.

    Raises:
        RunLost: the run's keys are gone.
        TimeoutError: Redis has not answered by then.
    """
    client = current_client()
    try:
        run.__show__(await client.call(within(seconds, partial(client.view, run.id))))
    except errors.RunNotFound as error:
        raise errors.RunLost(
            f"The record of {run.id} is gone: it expired, or its thread was deleted."
        ) from error


async def wait_for_end(run: RunHandle, functions: Sequence[Tool], timeout: float | None) -> None:
    """Wait until a run has ended, and update its handle.

    Args:
        run: the handle.
        functions: those that this process executes if the run waits for their calls.
        timeout: seconds; None: without a limit.

    Raises:
        WaitTimeout: the run has not ended by then; it continues.
        RunLost: the run's keys are gone.
    """
    client = current_client()
    limit = TimeLimit(timeout)
    local = LocalCalls(client, run.id, functions)
    try:
        await client.call(
            within(timeout, partial(client.wait_for_end, run.id, local.execute_parked))
        )
        await read_run(run, limit.left(GRACE_SECONDS))
    except TimeoutError as error:
        raise await wait_timeout(run, timeout) from error
    except errors.RunNotFound as error:
        raise errors.RunLost(str(error)) from error
    finally:
        local.close()


async def wait_while_attended(
    run: RunHandle, functions: Sequence[Tool], timeout: float | None
) -> bool:
    """Wait like `wait_for_end`, but not for answers that this process does not give.

    Returns:
        Whether the run has ended. Otherwise it is parked, and somebody else must submit an output
        or approve a call.

    Raises:
        WaitTimeout, RunLost: as in `wait_for_end`.
    """
    client = current_client()
    limit = TimeLimit(timeout)
    local = LocalCalls(client, run.id, functions)
    try:
        has_ended = await client.call(
            within(timeout, partial(_end_before_unattended, client, run.id, local))
        )
        await read_run(run, limit.left(GRACE_SECONDS))
    except TimeoutError as error:
        raise await wait_timeout(run, timeout) from error
    except errors.RunNotFound as error:
        raise errors.RunLost(str(error)) from error
    finally:
        local.close()
    return bool(has_ended)


async def _end_before_unattended(client: Client, run_id: str, local: LocalCalls) -> bool:
    """Wait on the bridge for a run's end; False if it first waits for somebody else's answer."""
    parked = asyncio.Event()

    def on_parked() -> None:
        local.execute_parked()
        parked.set()

    async def find_unattended() -> None:
        while not await local.lacks_answers():
            await parked.wait()
            parked.clear()

    end = asyncio.ensure_future(client.wait_for_end(run_id, on_parked))
    unattended = asyncio.ensure_future(find_unattended())
    try:
        await asyncio.wait([end, unattended], return_when=asyncio.FIRST_COMPLETED)
        await (end if end.done() else unattended)
        return end.done()
    finally:
        end.cancel()
        unattended.cancel()


async def wait_timeout(run: RunHandle, timeout: float | None) -> errors.WaitTimeout:
    """The error for a wait that took too long, with the handle updated if Redis answers."""
    # A Redis that stalls may be why: the handle shows then what it showed before.
    with contextlib.suppress(errors.InfrastructureError, TimeoutError):
        await read_run(run, GRACE_SECONDS)
    return errors.WaitTimeout(
        f"{run.id} is {run.status} after {timeout} s; it continues. Wait again, or cancel it.",
        run=run,
    )


async def cancel_run(run: RunHandle) -> None:
    """Cancel a run, and update the handle's status.

    Raises:
        RunNotFound: the run no longer exists.
    """
    client = current_client()
    run.status = await client.call(client.cancel(run.id))


async def store_metadata(run_id: str, metadata: object) -> None:
    """Replace a run's metadata.

    Raises:
        RunNotFound: the run no longer exists.
        TypeError, CallerError: it is not a dict of texts.
    """
    client = current_client()
    checked = checked_metadata(metadata, "A run's")
    await client.call(client.store.runs.set_metadata(run_id, checked))


async def cancel_and_wait(run: RunHandle, functions: Sequence[Tool]) -> None:
    """What the first Ctrl-C does; the second one raises at once, and the cancel stays sent."""
    await cancel_run(run)
    with contextlib.suppress(errors.WaitTimeout):
        await wait_for_end(run, functions, _CANCEL_SECONDS)
