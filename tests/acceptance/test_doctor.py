"""`threadmill doctor` as an operator has it: exit codes, JSON, and that it ends within seconds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes.commands import COMMAND, run_command
from tests.support.processes.worker import Workers
from tests.support.servers.model_lists import ModelList, listing
from tests.support.servers.ports import free_port
from tests.support.servers.redis_server import RedisServer
from tests.support.waiting import wait_until

Doctor = Callable[..., Any]
MODEL = "stand-in"


@pytest.fixture
def sound_redis(tmp_path: Path) -> Iterator[str]:
    """The URL of a server with which nothing is wrong."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder, appendonly=True, options=("--maxmemory", "200mb")) as server:
        yield server.url()


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Runs the command with these settings, and no other ones, in an empty folder."""

    def run(*words: str, **settings: str) -> Any:
        prefixes = ("THREADMILL_", "OPENAI_")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
        command = (*COMMAND, "doctor", *words)
        return run_command(*command, folder=tmp_path, environment=plain | settings)

    return run


def findings(answer: Any) -> dict[str, dict[str, str]]:
    assert "Traceback" not in answer.stderr, answer.stderr
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert all(set(one) == {"name", "state", "cause", "cure"} for one in found)
    return {one["name"]: one for one in found}


def has_complete_lists(doctor: Doctor, settings: dict[str, str]) -> bool:
    """Whether the worker that began has looked at the store."""
    return findings(doctor("--json", **settings))["lists.complete"]["state"] == "ok"


def test_nothing_is_wrong(doctor: Doctor, sound_redis: str, tmp_path: Path) -> None:
    with ModelList(200, listing(MODEL)) as provider, Workers(tmp_path) as workers:
        settings = {
            "THREADMILL_REDIS_URL": sound_redis,
            "OPENAI_BASE_URL": provider.base_url,
            "OPENAI_API_KEY": "key",
            "THREADMILL_MODEL": MODEL,
        }
        workers.start("bot", **settings)
        wait_until(lambda: has_complete_lists(doctor, settings), "the store was looked at", 30)
        answer = doctor(**settings)
        assert all(
            one["state"] == "ok"
            for one in findings(doctor("--json", **settings)).values()
            if one["name"] != "provider.retirement"
        )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.splitlines()[-1].startswith("0 errors, ")


def test_problems_come_first_with_what_helps_and_the_exit_code_says_so(
    doctor: Doctor, sound_redis: str
) -> None:
    with ModelList(401, {"error": {"message": "No.", "code": "invalid_api_key"}}) as provider:
        answer = doctor(
            THREADMILL_REDIS_URL=sound_redis,
            OPENAI_BASE_URL=provider.base_url,
            OPENAI_API_KEY="sk-wrong",
        )
    assert answer.returncode == 1
    title, *lines = answer.stdout.partition("\n\n")[0].splitlines()
    assert title.split() == ["state", "check", "finding"]
    states = [line.split()[0] for line in lines]
    assert states == sorted(states, key=["error", "warning", "skipped", "ok"].index)
    [line] = [line for line in lines if "provider.reachable" in line]
    assert line.startswith("error ")
    assert "it rejects the key (HTTP 401)" in line
    assert "  provider.reachable  Correct OPENAI_API_KEY" in answer.stdout
    assert "sk-wrong" not in answer.stdout


@pytest.mark.quiet
def test_an_unreachable_redis_keeps_nothing_else_from_being_examined(doctor: Doctor) -> None:
    begun = time.monotonic()
    answer = doctor(
        "--json",
        THREADMILL_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
        THREADMILL_BROKER_URL=f"amqp://127.0.0.1:{free_port()}//",
        OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1",
    )
    assert time.monotonic() - begun < 20
    assert answer.returncode == 1
    found = findings(answer)
    assert found["workers.alive"]["state"] == "skipped"
    assert "could not be examined: Redis cannot be used" in found["workers.alive"]["cause"]
    for name in ("redis.reachable", "broker.reachable", "provider.reachable"):
        assert found[name]["state"] == "error"
        assert "nothing listens at this address" in found[name]["cause"]


def test_nothing_is_configured(doctor: Doctor) -> None:
    answer = doctor("--json")
    assert answer.returncode == 1
    found = findings(answer)
    assert found["redis.configured"]["state"] == "error"
    assert "THREADMILL_REDIS_URL" in found["redis.configured"]["cause"]
    assert found["provider.reachable"]["state"] == "skipped"


def test_the_provider_is_not_asked_if_nobody_wants_that(doctor: Doctor, sound_redis: str) -> None:
    with ModelList(500, "never asked") as provider:
        answer = doctor(
            "--json",
            "--no-provider",
            THREADMILL_REDIS_URL=sound_redis,
            OPENAI_BASE_URL=provider.base_url,
        )
    assert findings(answer)["provider.reachable"]["state"] == "skipped"


def test_wrong_use_and_wrong_settings(doctor: Doctor, sound_redis: str) -> None:
    assert doctor("--colour").returncode == 2
    answer = doctor(THREADMILL_REDIS_URL=sound_redis, THREADMILL_CONCURRENCY="many")
    assert (answer.returncode, "THREADMILL_CONCURRENCY" in answer.stderr) == (1, True)
