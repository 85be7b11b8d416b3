"""How the log tells of maintenance that fails."""

from __future__ import annotations

import pytest
from redis import exceptions as redis_errors

from threadmill_shared.errors import StoreFull
from threadmill_shared.servers.failures import find_failure
from threadmill_shared.store.memory_guard import MemoryGuard
from threadmill_workers.recovery import retries


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.0)


def test_a_fault_is_told_once_with_its_class_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = retries.Retries("the sweep", is_connected=lambda: True, on_full=nothing)
    for _ in range(3):
        work.note_failure(KeyError("canary"))
    work.note_success()
    failed, ended = caplog.messages
    assert failed == "the sweep fails and is retried: KeyError"
    assert ended.startswith("the sweep succeeds again, after ")


@pytest.mark.parametrize("is_connected", [True, False])
def test_a_redis_that_is_away_is_the_leases_to_tell(
    caplog: pytest.LogCaptureFixture, *, is_connected: bool
) -> None:
    work = retries.Retries("the sweep", is_connected=lambda: is_connected, on_full=nothing)
    work.note_failure(redis_errors.ConnectionError("Connection closed by server."))
    words = (
        "the sweep waits, since Redis cannot be used for it: it closes the connection at once;"
        " it is repeated"
    )
    assert caplog.messages == ([words] if is_connected else [])


def test_a_full_redis_is_told_by_one_for_all(caplog: pytest.LogCaptureFixture) -> None:
    guard = MemoryGuard(client=None)
    for what in ("the sweep", "the count"):
        work = retries.Retries(what, is_connected=lambda: True, on_full=guard.warn)
        for _ in range(2):
            work.note_failure(StoreFull("Redis is full."))
        work.note_success()
    assert guard.has_warned
    guard.note_room()
    guard.note_room()
    assert not guard.has_warned
    full, ended = caplog.messages
    assert full == "Redis is full (maxmemory); runs wait to write until there is room"
    assert ended == "Redis has room again, after 0 s; runs continue"


def test_the_words_of_a_full_redis_are_known() -> None:
    error = redis_errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
    said = RuntimeError(f"OOM {error}")
    assert find_failure(said).cause == "its memory is full (maxmemory)"


def nothing() -> None:
    """Nothing is to be done."""
