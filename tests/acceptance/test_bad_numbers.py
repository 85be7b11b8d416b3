"""Numbers and keys that cannot be: refused at the call, and timeouts that are kept."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.processes.worker import Workers

from threadmill import Assistant, Thread, errors

pytestmark = pytest.mark.parametrize("api", ["responses"], indirect=True)


def test_a_timeout_that_is_no_number_is_refused_before_anything_is_written(environment) -> None:
    thread = Thread()
    with pytest.raises(TypeError, match="number of seconds"):
        Assistant("plain").say("Hello!", thread=thread, timeout="soon")  # type: ignore[arg-type]
    assert thread.runs() == []


def test_an_empty_key_is_refused(environment) -> None:
    with pytest.raises(errors.CallerError, match="must not be empty"):
        Thread(key="")
    with pytest.raises(errors.CallerError, match="must not be empty"):
        Assistant("plain").enqueue("Hello!", idempotency_key="")


def test_other_numbers_that_cannot_be_are_refused(environment) -> None:
    run = Assistant("plain").enqueue("Hello!")
    with pytest.raises(ValueError, match="0 or more"):
        next(run.events(after=-1))
    with pytest.raises(TypeError, match="int"):
        next(run.events(after="3"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 to 100"):
        Thread().runs(limit=0)
    with pytest.raises(TypeError, match="list of texts"):
        Thread().create("Hello!")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Assistant\.load\('plain'\)"):
        Thread().enqueue("plain")  # type: ignore[arg-type]


def test_short_timeouts_are_kept_while_a_run_streams(workers: Workers) -> None:
    workers.start("bot")
    runs = [Assistant("plain").enqueue("tokens=9999 delay=0.005") for _ in range(4)]

    async def wait_again_and_again(number: int) -> float:
        longest = 0.0
        for turn in range(25):
            begun = time.monotonic()
            timeout = 0.0 if turn == 0 else 0.01 + 0.005 * ((turn + number) % 8)
            with pytest.raises(errors.WaitTimeout):
                await runs[number].wait_async(timeout)
            longest = max(longest, time.monotonic() - begun - timeout)
        return longest

    async def wait_for_all() -> list[float]:
        return await asyncio.gather(*map(wait_again_and_again, range(4)))

    assert max(asyncio.run(wait_for_all())) < 1
