"""Many enqueues in few round trips, in the order in which they are given.

Commands that are sent together can fail one by one: the server does not have the script yet, or is
promoted between two of them. So a run that follows another one on its thread names it, and the
script writes nothing if that one is not there. Both are sent again then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

from redis import exceptions as redis_errors

from threadmill_shared import errors
from threadmill_shared.records.changes import EnqueueCommand
from threadmill_shared.store.connections import is_full, is_passing
from threadmill_shared.store.files import Files
from threadmill_shared.store.scripts.loader import ScriptCall
from threadmill_shared.store.scripts.runner import Repeats, misfit, store_full
from threadmill_shared.store.session import Session

MOST_RUNS = 50
"""Of one round trip. The server executes them without a break, and other clients wait meanwhile."""
MOST_BYTES = 256 * 1024
"""Of one round trip, unless a single run has more."""

Reply = list[Any]
CallOf = Callable[[EnqueueCommand, str], ScriptCall]
"""The call that creates a run, behind another one of its thread or behind none (empty)."""


class BulkEnqueue:
    """Sends enqueues until each has its reply, or an error that no repeating helps against."""

    def __init__(self, session: Session, files: Files, call_of: CallOf) -> None:
        """Nothing is sent yet."""
        self._session = session
        self._runner = session.runner
        self._files = files
        self._call_of = call_of

    async def replies(self, new: Sequence[EnqueueCommand]) -> AsyncIterator[Reply | Exception]:
        """The script's reply to each run, in order, or the error in its place."""
        failure: Exception | None = None
        for batch in self._batches(new):
            if isinstance(batch, Exception):
                yield batch
                continue
            if failure is not None:
                found: list[Reply | Exception] = [_unsent(failure) for _ in batch.runs]
            else:
                found = await self._create(batch)
                failure = next(_failures_of_the_server(found), None)
            for reply in found:
                yield reply

    def _batches(self, new: Sequence[EnqueueCommand]) -> Iterator[_Batch | Exception]:
        """The round trips; an error for a run that is no JSON any more since it was checked."""
        batch = _Batch()
        for one in new:
            call = self._try_call(one, batch.last_of(one.thread_id))
            if isinstance(call, Exception) or batch.is_too_small_for(call):
                if batch.runs:
                    yield batch
                batch, call = _Batch(), self._try_call(one, "")
            if isinstance(call, Exception):
                yield call
            else:
                batch.add(one, call)
        if batch.runs:
            yield batch

    def _try_call(self, one: EnqueueCommand, after: str) -> ScriptCall | Exception:
        try:
            return self._call_of(one, after)
        except Exception as error:  # noqa: BLE001  those before it are stored, and are to be told
            return error

    async def _create(self, batch: _Batch) -> list[Reply | Exception]:
        try:
            await self._session.memory_guard.refuse_when_full()
            for one in batch.runs:
                await self._files.attach(one.thread_id, one.all_attached)
        except Exception as error:  # noqa: BLE001  those before it are stored, and are to be told
            return [error] * len(batch.runs)
        found = await self._send(batch)
        answered = zip(batch.runs, found, strict=True)
        stored = [one.run_id for one, reply in answered if isinstance(reply, list)]
        await self._session.wait_for_replicas(stored)
        return found

    async def _send(self, batch: _Batch) -> list[Reply | Exception]:
        found: dict[int, Reply | Exception] = {}
        pending, repeats = list(range(len(batch.runs))), Repeats(self._runner.patience)
        calls = batch.calls
        while pending:
            # The script's text goes with the first, so that the server has it for the others; in a
            # cluster, each node that turns out not to have it gets it.
            in_full = {0, *(at for at, place in enumerate(pending) if _has_no_script(found, place))}
            replies = await self._runner.run_once_each(calls, in_full=in_full)
            found |= zip(pending, replies, strict=True)
            pending = [place for place in pending if _is_to_be_repeated(found[place])]
            if failure := next(_passing(found[place] for place in pending), None):
                try:
                    await repeats.wait_after(failure)
                except Exception as error:  # noqa: BLE001  the reply in the place of theirs
                    found |= dict.fromkeys(pending, error)
                    break
            calls = self._calls([batch.runs[place] for place in pending])
        return [_final(found[place]) for place in range(len(batch.runs))]

    def _calls(self, runs: Sequence[EnqueueCommand]) -> list[ScriptCall]:
        batch = _Batch()
        for one in runs:
            batch.add(one, self._call_of(one, batch.last_of(one.thread_id)))
        return batch.calls


class _Batch:
    """Runs that go in one round trip."""

    def __init__(self) -> None:
        self.runs: list[EnqueueCommand] = []
        self.calls: list[ScriptCall] = []
        self._size = 0

    def last_of(self, thread_id: str) -> str:
        """The last one of a thread; empty if there is none."""
        return next((one.run_id for one in reversed(self.runs) if one.thread_id == thread_id), "")

    def is_too_small_for(self, call: ScriptCall) -> bool:
        is_full = len(self.runs) == MOST_RUNS or self._size + _size(call) > MOST_BYTES
        return bool(self.runs) and is_full

    def add(self, one: EnqueueCommand, call: ScriptCall) -> None:
        self.runs.append(one)
        self.calls.append(call)
        self._size += _size(call)


def _size(call: ScriptCall) -> int:
    return sum(len(part) for part in call.command if isinstance(part, str | bytes))


def _failures_of_the_server(found: Iterable[Reply | Exception]) -> Iterator[Exception]:
    return (one for one in found if isinstance(one, errors.InfrastructureError))


def _unsent(failure: Exception) -> Exception:
    return type(failure)(f"It was not sent, since a run before it was refused: {failure}")


def _has_no_script(found: dict[int, Reply | Exception], place: int) -> bool:
    return isinstance(found.get(place), redis_errors.NoScriptError)


def _passing(found: Iterable[Reply | Exception]) -> Iterator[Exception]:
    return (one for one in found if isinstance(one, Exception) and is_passing(one))


def _is_to_be_repeated(found: Reply | Exception) -> bool:
    if isinstance(found, list):
        return bool(found[0] == "early")
    return is_passing(found) or isinstance(found, redis_errors.NoScriptError)


def _final(found: Reply | Exception) -> Reply | Exception:
    if isinstance(found, list):
        return found
    return store_full() if is_full(found) else misfit(found) or found
