"""The vector store that a thread has at the provider: one, whatever fails on the way to it.

That one may be made now is noted before, and which one was made after it; so whoever continues
after a crash between the two looks for it at the provider.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from threadmill_shared import errors
from threadmill_shared.model import FileRefused, FileState, IndexCounts, ProviderFiles
from threadmill_shared.records.files import ThreadVectorStore
from threadmill_shared.store.store import Store
from threadmill_workers.execution.held_run import HeldRun

INDEX_SECONDS = 120.0
"""How long a run waits until its files can be searched, but at most half of what is left of it."""
_CLOCK_SECONDS = 300.0
"""By so much the provider's clock may be behind."""
_NOT_FOUND = 404

Failures = dict[str, FileRefused]
"""By the provider's ids of the files."""


class LateFile(FileRefused):
    """The provider has not finished with a file in time."""


class SearchedFiles:
    """The files of one thread that the provider searches."""

    def __init__(self, store: Store, held: HeldRun, provider: ProviderFiles) -> None:
        """Nothing is read yet.

        Args:
            store: where the vector store is noted.
            held: the run; through it the vector store is noted.
            provider: has the vector store.
        """
        self._store = store
        self._held = held
        self._provider = provider
        self._thread_id = held.record.thread_id
        self._found: ThreadVectorStore | None = None
        self._was_forgotten = False

    @property
    def store_id(self) -> str | None:
        """The vector store, once files were given to it."""
        return None if self._found is None else self._found.id

    async def give(self, file_ids: Sequence[str]) -> Failures:
        """Have these files searched, and wait until they can be; returns those that cannot.

        Raises:
            ModelError: the provider cannot be asked.
        """
        found = await self._find(file_ids)
        missing = [id for id in file_ids if found is None or id not in found.files]
        if found is None:
            failures = await self._make(missing)
        else:
            failures = await self._add(found, missing)
        return failures | await self._wait()

    async def states(self, file_ids: Sequence[str]) -> dict[str, FileState]:
        """What the provider says of these files of the vector store."""
        found = await self._find(file_ids) if file_ids else None
        return {} if found is None else await self._states(found.id, file_ids)

    async def _states(self, store_id: str, file_ids: Sequence[str]) -> dict[str, FileState]:
        try:
            return await self._provider.file_states(store_id, file_ids)
        except errors.ModelError:  # a run must not fail for an explanation
            return {}

    def forget(self) -> bool:
        """Look for the vector store again with the next files; False if that was done before."""
        if self._was_forgotten:
            return False
        self._found, self._was_forgotten = None, True
        return True

    # ---- the vector store ------------------------------------------------------------------------

    async def _find(self, file_ids: Sequence[str]) -> ThreadVectorStore | None:
        """The vector store that an earlier request, run or attempt has made."""
        if self._found is None:
            noted = await self._store.files.vector_store(self._thread_id)
            if noted is not None and await self._provider.has_store(noted.id):
                self._found = noted
            else:
                self._found = await self._adopt(file_ids)
        return self._found

    async def _adopt(self, file_ids: Sequence[str]) -> ThreadVectorStore | None:
        """The vector store that somebody has made who could not note it any more."""
        begun = await self._store.files.vector_store_begun(self._thread_id)
        if begun is None:
            return None
        id = await self._provider.find_store(self._thread_id, begun - _CLOCK_SECONDS)
        if id is None:
            return None
        files = list(await self._states(id, file_ids))
        found = ThreadVectorStore(id, files, list(files))
        await self._note_made(found)
        return found

    async def _make(self, file_ids: Sequence[str]) -> Failures:
        if not file_ids:
            return {}
        with contextlib.suppress(errors.StoreFull):
            await self._held.note_vector_store_begun(time.time())
        try:
            id = await self._provider.make_store(self._thread_id, file_ids)
        except FileRefused as error:
            if len(file_ids) == 1:
                return {file_ids[0]: error}
            return await self._make_empty(file_ids)
        self._found = ThreadVectorStore(id, list(file_ids), list(file_ids))
        await self._note_made(self._found)
        return {}

    async def _make_empty(self, file_ids: Sequence[str]) -> Failures:
        """Make it without files, so that each can be refused for itself."""
        try:
            id = await self._provider.make_store(self._thread_id, ())
        except FileRefused as error:
            return dict.fromkeys(file_ids, error)
        self._found = ThreadVectorStore(id)
        await self._note_made(self._found)
        return await self._add(self._found, file_ids)

    async def _add(self, found: ThreadVectorStore, file_ids: Sequence[str]) -> Failures:
        failures: Failures = {}
        for id in file_ids:
            try:
                await self._provider.add_to_store(found.id, id)
            except FileRefused as error:
                await self._check_store(error.status)
                failures[id] = error
            else:
                found.files.append(id)
                found.pending.append(id)
        if len(failures) < len(file_ids):
            await self._note(found)
        return failures

    async def _check_store(self, status: int | None) -> None:
        """Raise what makes the loop try again if the vector store has gone meanwhile."""
        if status != _NOT_FOUND or self._found is None:
            return
        if not await self._provider.has_store(self._found.id):
            self._found = None
            raise errors.ModelUnavailable("The thread's vector store is gone; another one is made.")

    async def _note_made(self, found: ThreadVectorStore) -> None:
        with contextlib.suppress(errors.StoreFull):  # then it is looked for at the provider
            await self._held.note_vector_store(found)
            await self._held.note_vector_store_begun(0)

    async def _note(self, found: ThreadVectorStore) -> None:
        with contextlib.suppress(errors.StoreFull):  # then files are added once more
            await self._held.note_vector_store(found)

    # ---- indexing --------------------------------------------------------------------------------

    async def _wait(self) -> Failures:
        """Wait until what was added can be searched; returns what cannot."""
        found = self._found
        if found is None or not found.pending:
            return {}
        seconds = min(INDEX_SECONDS, max(self._held.seconds_to_deadline, 0) / 2)
        counts = await self._wait_for(found, seconds)
        failures: Failures = {}
        if counts.pending or counts.failed:
            failures = _failures(found.pending, await self.states(found.pending), counts)
        return failures

    async def settle(self) -> None:
        """Wait no more for what was waited for: what cannot be searched is noted.

        Not before: an attempt that ends in between would leave nobody who knows of it.
        """
        if self._found is not None and self._found.pending:
            self._found.pending = []
            await self._note(self._found)

    async def _wait_for(self, found: ThreadVectorStore, seconds: float) -> IndexCounts:
        try:
            return await self._provider.wait_until_indexed(found.id, seconds)
        except errors.ModelRefused as error:
            await self._check_store(error.status)
            if error.status != _NOT_FOUND:
                raise
            text = "The model provider does not know yet a vector store that it has made."
            raise errors.ModelUnavailable(text) from None


def _failures(
    file_ids: Sequence[str], states: dict[str, FileState], counts: IndexCounts
) -> Failures:
    failures: Failures = {}
    unknown = [id for id in file_ids if id not in states]
    for id, state in states.items():
        if state.status == "failed":
            failures[id] = FileRefused(state.reason)
        elif state.status == "pending":
            failures[id] = LateFile("the provider has not indexed it yet")
    named = sum(type(one) is FileRefused for one in failures.values())
    if unknown and len(unknown) <= counts.failed - named:
        failures |= {id: FileRefused("the provider does not say why") for id in unknown}
    elif counts.failed + counts.pending > len(failures):
        failures |= {id: LateFile("the provider has not said that it can") for id in unknown}
    return failures
