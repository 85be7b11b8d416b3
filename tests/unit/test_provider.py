"""A provider that refuses one request in a hundred does not fill the log."""

from __future__ import annotations

import pytest

from threadmill_shared.errors import ModelUnavailable
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
