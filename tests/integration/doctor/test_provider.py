"""What a provider answers to the question for its models, and what helps."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.servers.certificates import Authority, needs_openssl
from tests.support.servers.model_lists import ModelList, listing
from tests.support.servers.ports import free_port

from threadmill.inspection.doctor import provider
from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.provider import (
    ask_configured,
    check_models,
    check_provider,
    check_retirement,
)
from threadmill_shared.records.provider_report import ProviderReport
from threadmill_shared.retirements.announcements import find_retirement
from threadmill_workers.models.provider_check import ask_for_models

KEY = "sk-my-secret-key"


@pytest.fixture(autouse=True)
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def silent_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


async def ask(url: str, *, seconds: float = 5) -> Finding:
    report = await ask_for_models("chat", api_key=KEY, base_url=url, seconds=seconds)
    found = check_provider(report)
    assert KEY not in f"{report}{found}"
    return found


async def answer(status: int, body: Any) -> Finding:
    with ModelList(status, body) as server:
        return await ask(server.base_url)


def error(code: str, message: str = "No.") -> dict[str, Any]:
    return {"error": {"code": code, "type": code, "message": f"{message} {KEY}"}}


async def test_one_that_answers() -> None:
    found = await answer(200, listing("gpt-x"))
    assert (found.state, "answers and accepts the key" in found.cause) == ("ok", True)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_one_without_a_list_of_models(status: int) -> None:
    with ModelList(status, "Not found") as server:
        server.refusal = (400, error("missing_required_parameter"))
        found = await ask(server.base_url)
        assert (found.state, "does not list its models" in found.cause) == ("ok", True)
        server.refusal = (401, error("invalid_api_key"))
        assert "it rejects the key (HTTP 401)" in (await ask(server.base_url)).cause
        assert server.posted == ["/v1/chat/completions", "/v1/chat/completions"]


async def test_a_base_url_whose_path_is_wrong() -> None:
    with ModelList(404, "Not found") as server:
        server.refusal = (404, "Not found")
        found = await ask(server.base_url.removesuffix("/v1"))
    assert found.state == "error"
    assert "answers, but cannot be used: it has no /chat/completions (HTTP 404)" in found.cause
    assert "it usually ends with /v1" in found.cure


@pytest.mark.parametrize(
    ("status", "body", "cause", "cure"),
    [
        (401, error("invalid_api_key"), "it rejects the key (HTTP 401)", "Correct OPENAI_API_KEY"),
        (400, error("API_KEY_INVALID"), "it rejects the key (HTTP 400)", "Correct OPENAI_API_KEY"),
        (403, error("no_access"), "the key has no right for this", "OPENAI_PROJECT_ID"),
        (429, error("insufficient_quota"), "the account has no quota left", "Top the account up"),
        (402, error("payment"), "the account has no quota left", "Top the account up"),
        (500, error("server_error"), "it fails (HTTP 500)", "status page"),
        (503, "<html>Bad gateway</html>", "it fails (HTTP 503)", "status page"),
        (200, "<html>Welcome</html>", "is not a model provider", "Correct OPENAI_BASE_URL"),
        (200, {"data": None}, "is not a model provider", "Correct OPENAI_BASE_URL"),
    ],
)
async def test_one_that_refuses(status: int, body: Any, cause: str, cure: str) -> None:
    found = await answer(status, body)
    assert found.state == "error"
    assert "answers, but cannot be used: " in found.cause
    assert cause in found.cause
    assert cure in found.cure


async def test_one_that_asks_to_wait_is_no_error() -> None:
    found = await answer(429, error("rate_limit_exceeded"))
    assert (found.state, "rate limit" in found.cause) == ("warning", True)


async def test_one_that_cannot_be_reached(silent_url: str) -> None:
    for url, cause in {
        f"http://127.0.0.1:{free_port()}/v1": "nothing listens at this address",
        "http://no-such-host.invalid/v1": "its host name is not known",
    }.items():
        found = await ask(url)
        assert (found.state, "cannot be reached: " in found.cause) == ("error", True)
        assert cause in found.cause
    begun = time.monotonic()
    found = await ask(silent_url, seconds=0.3)
    assert "it does not answer in time" in found.cause
    assert time.monotonic() - begun < 5


@needs_openssl
async def test_one_whose_certificate_is_not_trusted(tmp_path: Path) -> None:
    own = Authority(tmp_path / "ca").sign("provider", "IP:127.0.0.1")
    with ModelList(200, listing(), own) as server:
        found = await ask(server.base_url)
    assert "the server's certificate could not be verified" in found.cause
    assert found.state == "error"


async def test_a_process_without_a_key_skips_it() -> None:
    found = await ask_configured("responses")
    assert isinstance(found, Finding)
    assert (found.state, "OPENAI_API_KEY" in found.cause) == ("skipped", True)


# ---- models -----------------------------------------------------------------------------------

HAS = ProviderReport("host", "answers", models=frozenset({"gpt-x", "llama3:latest"}))


def test_models_that_the_provider_has_and_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_models(HAS, {"gpt-x": ["Marvin"], "llama3": ["Zaphod"]}).state == "ok"
    found = check_models(HAS, {"gpt-x": ["Marvin"], "gpt-nope": ["Marvin", "Zaphod"]})
    assert (found.state, found.cause) == (
        "error",
        "host does not list gpt-nope (Marvin, Zaphod)",
    )
    assert "THREADMILL_MODEL" in found.cure
    # Another provider may serve what it does not list.
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert check_models(HAS, {"gpt-nope": ["Marvin"]}).state == "warning"
    no_list = ProviderReport("host", "answers")
    assert check_models(no_list, {"gpt-nope": ["Marvin"]}).state == "skipped"
    wrong_key = ProviderReport("host", "wrong_key")
    assert check_models(wrong_key, {"gpt-nope": ["Marvin"]}).state == "skipped"


def test_models_that_are_announced_to_be_shut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    announced = find_retirement("gpt-4.1-mini")
    assert announced is not None
    used = {"gpt-4.1-mini": ["Marvin"], "gpt-x": ["Zaphod"]}
    for days, state in {-1: "warning", 0: "error", 1: "error"}.items():
        day = announced.shutdown + timedelta(days=days)
        monkeypatch.setattr(provider, "today", lambda then=day: then)
        found = check_retirement(used)
        assert (found.state, "gpt-4.1-mini" in found.cause) == (state, True)
        assert "Choose another model" in found.cure
    assert check_retirement({"gpt-x": ["Zaphod"]}).state == "ok"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert check_retirement(used).state == "skipped"
