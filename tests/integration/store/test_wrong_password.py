"""A password that Redis rejects is named as the reason, and is not quoted."""

from __future__ import annotations

import pytest

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
