"""The error for a Redis that cannot be used says why, in words of ours."""

from __future__ import annotations

import pytest
from redis import exceptions as redis_errors
from redis.asyncio.sentinel import MasterNotFoundError

from threadmill_shared.store.scripts.runner import unavailable

PIPELINE = "Command # 1 (HSET threadmill:{00}:run:run_1 message secret) of pipeline caused error: "


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            MasterNotFoundError("No master found for 'main' : <redis.asyncio.client.Redis(<..."),
            "Redis cannot be reached (no sentinel that answers knows a primary of this service).",
        ),
        (
            redis_errors.ResponseError(f"{PIPELINE}BUSY Redis is busy running a script."),
            "Redis cannot be used (a script blocks it).",
        ),
        (
            redis_errors.MasterDownError(f"{PIPELINE}Link with MASTER is down"),
            "Redis cannot be used (it is a replica that has lost its primary).",
        ),
        (
            redis_errors.TimeoutError("Timeout reading from 127.0.0.1:6379"),
            "Redis cannot be reached (it does not answer in time).",
        ),
        (
            redis_errors.ConnectionError("Connection closed by server."),
            "Redis cannot be reached (it closes the connection at once).",
        ),
        (
            redis_errors.TryAgainError("something new"),
            "Redis cannot be reached (TryAgainError: something new).",
        ),
    ],
)
def test_the_cause_is_said_without_what_the_client_quotes(error: Exception, words: str) -> None:
    said = str(unavailable(error))
    assert said.startswith(words)
    assert "secret" not in said
