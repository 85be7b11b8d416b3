"""A provider that refuses one request in a hundred does not fill the log."""

from __future__ import annotations

import pytest

from threadmill_shared.errors import ModelRefused, ModelUnavailable
from threadmill_shared.records.worker_state import NO_SUCH_MODEL_CAUSE
from threadmill_workers.execution import provider_health
from threadmill_workers.execution.provider_health import LOG_PAUSE_SECONDS, ProviderHealth


def test_one_that_fails_now_and_then_has_two_lines_in_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    provider = ProviderHealth("api.example", clock=lambda: now)
    for tenth in range(int(10 * LOG_PAUSE_SECONDS)):
        now = tenth / 10
        provider.note_failure("run_1", ModelUnavailable("overloaded"))
        provider.note_answer()
    assert len(caplog.messages) == 2

    now = LOG_PAUSE_SECONDS
    provider.note_failure("run_2", ModelUnavailable("overloaded"))
    provider.note_failure("run_3", ModelUnavailable("overloaded"))
    now += 4
    provider.note_answer()
    begun, ended = caplog.messages[2:]
    assert (
        "the provider api.example is failing (it does not answer), for run_2 among others" in begun
    )
    assert ended == "the provider api.example answers again, after 2 failed requests in 4 s"


def refusal(status: int) -> ModelRefused:
    return ModelRefused("no", status=status)


def test_each_cause_for_which_it_fails_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    provider = ProviderHealth("api.example", clock=lambda: 0.0)
    for status in (404, 401, 401, 404):
        provider.note_refusal("run_1", refusal(status))
    model, key = caplog.messages
    assert "(no such model or address, HTTP 404)" in model
    assert "(the key is wrong, HTTP 401)" in key
    assert "check OPENAI_API_KEY" in key
    assert provider.cause == "the key is wrong (HTTP 401)"
    provider.note_answer()
    assert "answers again, after 3 failed requests" in caplog.messages[-1]


def test_a_model_that_it_does_not_have_does_not_make_a_provider_that_answers_fail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    provider = ProviderHealth("api.example", clock=lambda: now)
    for second in range(100):
        now = float(second)
        provider.note_answer()
        provider.note_refusal("run_1", refusal(404))
    assert (provider.condition, provider.cause) == ("answering", None)
    [line] = caplog.messages
    assert "(no such model or address, HTTP 404)" in line


def test_the_models_that_it_does_not_have_are_known_until_it_answers_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = ProviderHealth("api.example")
    provider.note_refusal("run_1", refusal(401), model="gpt-a")
    provider.note_refusal("run_1", refusal(404), model="gpt-b")
    provider.note_answer(model="gpt-a")
    provider.note_refusal("run_1", refusal(404), model="gpt-c")
    assert list(provider.missing_models) == ["gpt-b", "gpt-c"]
    assert (provider.condition, provider.cause) == ("answering", None)
    provider.note_answer(model="gpt-b")
    assert list(provider.missing_models) == ["gpt-c"]
    monkeypatch.setattr(provider_health, "MISSING_SECONDS", -1.0)
    assert provider.missing_models == {}


def test_it_answers_as_soon_as_an_answer_begins() -> None:
    provider = ProviderHealth("api.example")
    provider.note_failure("run_1", ModelUnavailable("overloaded"))
    assert (provider.condition, provider.failed_at > 0) == ("failing", True)
    provider.note_beginning()
    assert (provider.condition, provider.cause, provider.failed_at) == ("answering", None, 0)


def test_one_whose_address_is_wrong_fails() -> None:
    provider = ProviderHealth("api.example")
    provider.note_refusal("run_1", refusal(404))
    assert (provider.condition, provider.cause) == (
        "failing",
        NO_SUCH_MODEL_CAUSE,
    )
