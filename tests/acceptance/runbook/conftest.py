"""Each test executes the section of docs/runbook.md that has its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.processes.worker import Workers
from tests.support.runbook import Operator, sections

from threadmill import Assistant, Run, Thread


@pytest.fixture(scope="module", params=["responses"])
def api(request: pytest.FixtureRequest) -> str:
    """One is enough: what is looked at is not what the provider speaks."""
    name: str = request.param
    return name


@pytest.fixture
def operator(request: pytest.FixtureRequest, workers: Workers) -> Operator:
    """Who has the page open at the section of this test."""
    return Operator(sections()[request.node.originalname], workers)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The file in which tools of `dangerous` write what they do."""
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def begin(notes: Path) -> Callable[..., Run]:
    """Enqueues a run of the assistant `dangerous`: `begin('call remember {"word": "tea"}')`."""

    def begin(text: str, thread: Thread | None = None) -> Run:
        ai = Assistant.load("dangerous")
        return ai.enqueue(text, thread=thread, context={"notes": str(notes)})

    return begin
