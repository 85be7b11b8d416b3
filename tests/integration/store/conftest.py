"""What tests of the store use: a store whose answers can be lost, and a thread in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import NAMESPACE, Run
from tests.integration.store.lossy import LossyClient
from tests.integration.store.scene import Scene

from threadmill_shared import ids
from threadmill_shared.connections import connect
from threadmill_shared.store import Store


@pytest.fixture
def client(redis_url: str, run: Run) -> Iterator[LossyClient]:
    client = LossyClient(connect(redis_url), NAMESPACE)
    yield client
    run(client.aclose())
    assert not client.harm, f"a repeated call changed {client.harm}"


@pytest.fixture
def scene(store: Store) -> Scene:
    """A thread that nobody has spoken in yet."""
    return Scene(store, ids.new_thread_id())
