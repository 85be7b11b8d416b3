"""In which order a file's failure is told and noted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.support.store.scene import Scene

from threadmill_shared.records.files import FileFailure
from threadmill_workers.execution.file_failures import FILE_FAILED, AttachedFile, FileFailures


async def test_a_failure_is_in_the_runs_log_before_it_is_noted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
):
    held = await scene.begin("Read it")
    store, note = held.stored, held.note_failures
    order: list[str] = []

    async def stored() -> None:
        await store()
        order.append(f"{(await scene.event_names(held.record.id)).count(FILE_FAILED)} stored")

    async def note_failures(message_id: str, failures: Mapping[str, FileFailure]) -> None:
        order.append("noted")
        await note(message_id, failures)

    monkeypatch.setattr(held, "stored", stored)
    monkeypatch.setattr(held, "note_failures", note_failures)
    file = AttachedFile("file_1", "scan.pdf", {"file_search": ["msg_1"]})
    failures = FileFailures(scene.store, held)
    for _ in range(2):  # the second time it is known
        await failures.add(file, FileFailure(("file_search",), "It is a scan."), None)
    assert order == ["1 stored", "noted"]
