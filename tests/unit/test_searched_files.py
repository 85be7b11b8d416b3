"""A thread has one vector store at the provider, and a file that fails is told from the others."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from threadmill_shared.errors import ModelRefused, ModelUnavailable
from threadmill_shared.model import FileRefused, FileState, IndexCounts
from threadmill_shared.records.files import ThreadVectorStore
from threadmill_workers.execution.searched_files import LateFile, SearchedFiles

THREAD = "thread_00"


class Notes:
    """What is stored of a thread's vector store; the run that stores it, and where it is read."""

    def __init__(self) -> None:
        self.noted: ThreadVectorStore | None = None
        self.begun = 0.0
        self.record = SimpleNamespace(thread_id=THREAD)
        self.seconds_to_deadline = 60.0
        self.files = self

    async def vector_store(self, _: str) -> ThreadVectorStore | None:
        return self.noted

    async def vector_store_begun(self, _: str) -> float | None:
        return self.begun or None

    async def note_vector_store(self, store: ThreadVectorStore) -> None:
        self.noted = ThreadVectorStore(store.id, list(store.files), list(store.pending))

    async def note_vector_store_begun(self, at: float) -> None:
        self.begun = at


class Provider:
    """A provider that has vector stores, and refuses what a test says."""

    def __init__(self) -> None:
        self.stores: dict[str, list[str]] = {}
        self.states: dict[str, FileState] = {}
        self.not_added: dict[str, FileRefused] = {}
        self.refuses_files_at_once = False
        self.refuses_stores = False
        self.loses_answer = False
        self.loses_store = False
        self.fails_to_explain = False
        self.tells_states = True
        self.waited: list[float] = []

    async def make_store(self, name: str, file_ids: Sequence[str]) -> str:
        assert name == THREAD
        if self.refuses_stores or (self.refuses_files_at_once and file_ids):
            raise FileRefused("no", status=400)
        id = f"vs_{len(self.stores)}"
        self.stores[id] = list(file_ids)
        if self.loses_answer:
            self.loses_answer = False
            raise ModelUnavailable("timeout")
        return id

    async def find_store(self, name: str, since: float) -> str | None:
        assert name == THREAD
        assert since > 0
        return next(reversed(self.stores), None)

    async def has_store(self, store_id: str) -> bool:
        return store_id in self.stores

    async def add_to_store(self, store_id: str, file_id: str) -> None:
        if store_id not in self.stores:
            raise FileRefused("not found", status=404)
        if file_id in self.not_added:
            raise self.not_added[file_id]
        self.stores[store_id].append(file_id)

    async def wait_until_indexed(self, store_id: str, seconds: float) -> IndexCounts:
        if self.loses_store:
            self.loses_store = False
            del self.stores[store_id]
            raise ModelRefused("not found", status=404)
        self.waited.append(seconds)
        kinds = [self._state(id).status for id in self.stores[store_id]]
        return IndexCounts(kinds.count("pending"), kinds.count("failed"))

    async def file_states(self, store_id: str, file_ids: Sequence[str]) -> dict[str, FileState]:
        if self.fails_to_explain:
            raise ModelUnavailable("oops")
        there = self.stores[store_id] if self.tells_states else []
        return {id: self._state(id) for id in file_ids if id in there}

    def _state(self, file_id: str) -> FileState:
        return self.states.get(file_id, FileState("completed"))


def searched(notes: Notes, provider: Provider) -> SearchedFiles:
    """The files as another attempt or run sees them."""
    anything: Any = notes
    files: Any = provider
    return SearchedFiles(anything, anything, files)


async def test_files_are_given_once_whoever_continues() -> None:
    notes, provider = Notes(), Provider()
    for wanted in (["a", "b"], ["a", "b"], ["a", "b", "c"]):
        files = searched(notes, provider)
        assert await files.give(wanted) == {}
        await files.settle()
    assert provider.stores == {"vs_0": ["a", "b", "c"]}
    assert len(provider.waited) == 2, "what is indexed is not waited for"
    assert notes.noted == ThreadVectorStore("vs_0", ["a", "b", "c"])


async def test_no_files_need_no_vector_store() -> None:
    notes, provider = Notes(), Provider()
    files = searched(notes, provider)
    assert await files.give([]) == {}
    assert (files.store_id, provider.stores) == (None, {})


async def test_a_vector_store_whose_answer_was_lost_is_adopted() -> None:
    notes, provider = Notes(), Provider()
    provider.loses_answer = True
    with pytest.raises(ModelUnavailable):
        await searched(notes, provider).give(["a"])
    assert notes.begun > 0
    provider.states["b"] = FileState("failed", "why")
    assert list(await searched(notes, provider).give(["a", "b"])) == ["b"]
    assert provider.stores == {"vs_0": ["a", "b"]}
    assert notes.begun == 0


async def test_a_vector_store_that_is_gone_is_made_again_without_looking_for_it() -> None:
    notes, provider = Notes(), Provider()
    await searched(notes, provider).give(["a"])
    provider.stores = {"vs_of_others": []}
    files = searched(notes, provider)
    await files.give(["a"])
    assert provider.stores == {"vs_of_others": [], "vs_1": ["a"]}


async def test_files_that_are_refused_together_are_tried_one_by_one() -> None:
    notes, provider = Notes(), Provider()
    provider.refuses_files_at_once = True
    provider.not_added["b"] = FileRefused("the type is odd", status=400)
    failures = await searched(notes, provider).give(["a", "b"])
    assert {id: error.reason for id, error in failures.items()} == {"b": "the type is odd"}
    assert provider.stores == {"vs_0": ["a"]}


async def test_a_provider_without_vector_stores_fails_each_file() -> None:
    notes, provider = Notes(), Provider()
    provider.refuses_stores = True
    files = searched(notes, provider)
    assert list(await files.give(["a", "b"])) == ["a", "b"]
    assert files.store_id is None


async def test_failures_are_told_with_their_reasons() -> None:
    notes, provider = Notes(), Provider()
    provider.states = {"b": FileState("failed", "a scan"), "c": FileState("pending")}
    files = searched(notes, provider)
    failures = await files.give(["a", "b", "c"])
    await files.settle()
    assert {id: type(error) for id, error in failures.items()} == {"b": FileRefused, "c": LateFile}
    assert failures["b"].reason == "a scan"
    # They are known now: no later run waits for them.
    assert await searched(notes, provider).give(["a"]) == {}
    assert len(provider.waited) == 1


@pytest.mark.parametrize("status", ["failed", "pending"])
async def test_a_provider_that_tells_only_counts_is_believed(status: Any) -> None:
    notes, provider = Notes(), Provider()
    provider.tells_states = False
    provider.states = {"a": FileState(status)}
    [(id, error)] = (await searched(notes, provider).give(["a"])).items()
    assert id == "a"
    assert isinstance(error, LateFile) == (status == "pending")


async def test_if_only_the_number_of_failures_is_known_each_file_may_be_meant() -> None:
    notes, provider = Notes(), Provider()
    provider.tells_states = False
    provider.states = {"a": FileState("failed")}
    failures = await searched(notes, provider).give(["a", "b"])
    assert {id: type(error) for id, error in failures.items()} == {"a": LateFile, "b": LateFile}


async def test_an_explanation_that_fails_fails_nothing_else() -> None:
    notes, provider = Notes(), Provider()
    provider.states = {"a": FileState("failed")}
    provider.fails_to_explain = True
    [error] = (await searched(notes, provider).give(["a"])).values()
    assert error.reason == "the provider does not say why"


async def test_a_vector_store_that_goes_while_files_are_added_is_made_again() -> None:
    notes, provider = Notes(), Provider()
    files = searched(notes, provider)
    await files.give(["a"])
    provider.stores.clear()
    with pytest.raises(ModelUnavailable, match="another one is made"):
        await files.give(["a", "b"])
    assert await files.give(["a", "b"]) == {}
    assert list(provider.stores.values()) == [["a", "b"]]


async def test_a_vector_store_that_goes_while_files_are_indexed_is_made_again() -> None:
    notes, provider = Notes(), Provider()
    provider.loses_store = True
    files = searched(notes, provider)
    with pytest.raises(ModelUnavailable, match="another one is made"):
        await files.give(["a"])
    assert await files.give(["a"]) == {}
    assert list(provider.stores.values()) == [["a"]]


@pytest.mark.parametrize(("left", "waits"), [(600.0, 120.0), (30.0, 15.0), (-1.0, 0.0)])
async def test_a_run_waits_for_half_of_its_time_at_most(left: float, waits: float) -> None:
    notes, provider = Notes(), Provider()
    notes.seconds_to_deadline = left
    await searched(notes, provider).give(["a"])
    assert provider.waited == [waits]
