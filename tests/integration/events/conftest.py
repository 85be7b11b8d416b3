"""The tests of this folder run on each kind of server."""

from tests.support.store.fixtures import (
    client,
    notifications,
    pytest_generate_tests,
    redis_server,
    scene,
)

__all__ = ["client", "notifications", "pytest_generate_tests", "redis_server", "scene"]
