"""The example projects as a user has them: outside of this checkout, with the wheel installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.support.paths import ROOT
from tests.support.processes.installation import Installations

pytestmark = [
    pytest.mark.together("installations"),  # they are made once per process
    pytest.mark.timeout(400),
]

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/README.md"))


@pytest.mark.any_api
@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_tests_of_an_example_pass_against_the_wheel(
    example: Path,
    api: str,
    installations: Installations,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in os.environ:
        if name.startswith(("THREADMILL_", "OPENAI_", "PYTEST_")):
            monkeypatch.delenv(name)
    project = tmp_path / example.name
    shutil.copytree(example, project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    ended = installations.embedded.run(
        "pytest", "-q", "-W", "error", folder=project, environment={"THREADMILL_MODEL_API": api}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout
    assert not (project / ".threadmill").exists(), "its server keeps its data elsewhere"


def test_there_is_an_example() -> None:
    assert [path.name for path in EXAMPLES] == ["chat_page", "support_bot"]
