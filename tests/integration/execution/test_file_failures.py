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
    note, logged = held.note_failures, []

    async def watched(message_id: str, failures: Mapping[str, FileFailure]) -> None:
        logged.append(FILE_FAILED in await scene.event_names(held.record.id))
        await note(message_id, failures)

    monkeypatch.setattr(held, "note_failures", watched)
    file = AttachedFile("file_1", "scan.pdf", {"file_search": ["msg_1"]})
    failures = FileFailures(scene.store, held)
    await failures.add(file, FileFailure(("file_search",), "It is a scan."), None)
    await failures.add(file, FileFailure(("file_search",), "It is a scan."), None)
    assert logged == [True]
    await held.stored()
    assert (await scene.event_names(held.record.id)).count(FILE_FAILED) == 1
