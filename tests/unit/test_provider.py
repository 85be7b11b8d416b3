"""A provider that refuses one request in a hundred does not fill the log."""

from __future__ import annotations

import pytest

from threadmill_shared.errors import ModelUnavailable
from threadmill_workers.execution.provider_health import TELL_SECONDS, ProviderHealth


def test_one_that_fails_now_and_then_has_two_lines_in_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    provider = ProviderHealth(clock=lambda: now)
    for tenth in range(int(10 * TELL_SECONDS)):
        now = tenth / 10
        provider.failed("run_1", ModelUnavailable("overloaded"))
        provider.answered()
    assert len(caplog.messages) == 2

    now = TELL_SECONDS
    provider.failed("run_2", ModelUnavailable("overloaded"))
    provider.failed("run_3", ModelUnavailable("overloaded"))
    now += 4
    provider.answered()
    begun, ended = caplog.messages[2:]
    assert "the provider fails (ModelUnavailable), run_2 among others" in begun
    assert ended == "the provider answers again, after 2 failed requests in 4 s"
