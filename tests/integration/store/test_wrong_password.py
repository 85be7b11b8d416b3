"""A password that Redis rejects is named as the reason, and is not quoted."""

from __future__ import annotations

import pytest
from tests.support.servers.ports import free_port

from threadmill_shared.errors import StoreUnavailable
from threadmill_shared.store.connections import connect
from threadmill_shared.store.store import Store


async def test_a_rejected_password_is_named_and_not_quoted(redis_url: str) -> None:
    url = redis_url.replace("://", "://nobody:secret-word@", 1)
    store = Store(connect(url), "tm", patience=0.1)
    with pytest.raises(StoreUnavailable, match="rejected the user name and password") as raised:
        await store.threads.record("thread_01_gone")
    assert "secret-word" not in str(raised.value)
    assert "cannot be reached" not in str(raised.value)
    await store.close()


async def test_an_address_at_which_nothing_listens_is_said_to_be_one() -> None:
    store = Store(connect(f"redis://127.0.0.1:{free_port()}/0"), "tm", patience=0.1)
    with pytest.raises(StoreUnavailable, match="nothing listens at this address"):
        await store.threads.record("thread_01_gone")
    await store.close()
