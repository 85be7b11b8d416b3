"""`pip install threadmill` without extras: what it brings, what works, what it says is missing."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import pytest
import redis
from tests.support.paths import ROOT
from tests.support.processes.installation import Installations, Installed

pytestmark = [
    pytest.mark.together("installations"),  # they are made once per process
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def base(installations: Installations) -> Installed:
    return installations.base


NAMES = """
from importlib.metadata import distributions
for one in distributions():
    print(one.name)
"""


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def promised() -> set[str]:
    """The distributions that the page on dependencies lists."""
    text = (ROOT / "docs" / "dependencies.md").read_text()
    _, _, listed = text.partition("A base install brings: ")
    return set(re.findall(r"`([^`]+)`", listed.partition("\n\n")[0]))


def test_it_brings_what_the_docs_list_and_nothing_else(base: Installed, tmp_path: Path) -> None:
    listed = base.run("python", "-c", NAMES, folder=tmp_path).stdout
    brought = {normalized(name) for name in listed.split()}
    brought -= {"threadmill"}
    if sys.version_info < (3, 11, 3):
        brought -= {"async-timeout"}
    assert brought == promised()


ENQUEUE = """
import sys
from threadmill import Assistant
run = Assistant(name="ai", instructions="Be brief.").enqueue("Hello!")
assert not {"openai", "aiohttp", "threadmill_workers"} & set(sys.modules)
print(run.id, run.status)
"""


def test_it_enqueues_against_a_real_redis(base: Installed, redis_url: str, tmp_path: Path) -> None:
    environment = {"THREADMILL_REDIS_URL": redis_url}
    ended = base.run(
        "python", "-W", "error", "-c", ENQUEUE, folder=tmp_path, environment=environment
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    run_id, status = ended.stdout.split()
    assert status == "queued"
    with contextlib.closing(redis.Redis.from_url(redis_url, decode_responses=True)) as client:
        assert client.llen("threadmill") == 1
        assert client.exists(f"threadmill:{{{run_id[4:6]}}}:run:{run_id}")


def test_its_worker_names_the_extra_to_install(
    base: Installed, redis_url: str, tmp_path: Path
) -> None:
    environment = {"THREADMILL_REDIS_URL": redis_url, "OPENAI_API_KEY": "any"}
    ended = base.run("threadmill", "worker", "bot", folder=tmp_path, environment=environment)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "pip install './threadmill[worker]' in the folder" in ended.stderr


WITHOUT_SETTING = """
from threadmill import Assistant, errors
try:
    Assistant(name="ai", instructions="Be brief.").enqueue("Hello!")
except errors.NotConfigured as error:
    print(error)
"""


@pytest.mark.parametrize("path", ["", "/nowhere"], ids=["with a Redis to start", "without one"])
def test_without_a_redis_url_it_names_both_cures_and_starts_nothing(
    path: str, base: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("THREADMILL_REDIS_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    environment = {"PATH": path} if path else {}
    ended = base.run("python", "-c", WITHOUT_SETTING, folder=tmp_path, environment=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "THREADMILL_REDIS_URL" in ended.stdout
    assert "pip install './threadmill[embedded]' in the folder" in ended.stdout
    assert list(tmp_path.iterdir()) == []
