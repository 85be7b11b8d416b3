"""Compaction: a worker makes the logs shorter of runs that have ended there a while ago."""

from __future__ import annotations

import pytest
from tests.support.store.scene import Scene, end_message, write_partly

from threadmill_shared.records.run import Status
from threadmill_workers.execution import ended_logs
from threadmill_workers.execution.ended_logs import EndedLogs
from threadmill_workers.recovery.log_compaction import LogCompaction


async def end_runs(scene: Scene, count: int) -> list[str]:
    found = []
    for _ in range(count):
        held = await scene.begin()
        await write_partly(held)
        for text in "abcdef":
            held.delta(0, text)
            await held.stored()
        await held.finish(Status.COMPLETED, end_message(held.record, "abcdef"))
        found.append(held.record.id)
    return found


async def lengths(scene: Scene, run_ids: list[str]) -> list[int]:
    return [await scene.command("XLEN", scene.keys.log(run_id)) for run_id in run_ids]


async def test_logs_are_compacted_once_their_runs_have_ended_a_while_ago(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = await end_runs(scene, 10)
    ended = EndedLogs()
    compaction = LogCompaction(scene.store.logs, ended)
    before = await lengths(scene, run_ids)
    for run_id in run_ids:
        ended.note(run_id)

    await compaction.compact()
    assert await lengths(scene, run_ids) == before
    monkeypatch.setattr(ended_logs, "QUIET_SECONDS", 0)
    await compaction.compact()

    assert all(
        now <= then - 5 for now, then in zip(await lengths(scene, run_ids), before, strict=True)
    )
    assert not ended.take(1)


async def test_runs_that_are_gone_hold_up_no_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_logs, "QUIET_SECONDS", 0)
    gone, kept = await end_runs(scene, 2)
    await scene.command("DEL", scene.keys.run(gone))
    ended = EndedLogs()
    ended.note(gone)
    ended.note(kept)

    await LogCompaction(scene.store.logs, ended).compact()

    [left] = await lengths(scene, [kept])
    assert left < 10
