"""The tests of this folder run on each kind of server."""

import secrets

import pytest
from tests.support.store.fixtures import (
    client,
    notifications,
    pytest_generate_tests,
    redis_server,
    scene,
)

__all__ = ["client", "notifications", "pytest_generate_tests", "redis_server", "scene"]


@pytest.fixture
def channel() -> str:
    """A new name for each test: a cluster may deliver late what an earlier test published."""
    return f"channel:{secrets.token_hex(4)}"
