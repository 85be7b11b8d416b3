"""How commands that only look read the store: with a connection of their own, for one look."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from threadmill.cli.store_url import use_store

if TYPE_CHECKING:
    from threadmill_shared.settings import Settings
    from threadmill_shared.store.store import Store

T = TypeVar("T")


def read_store(read: Callable[[Store, Settings], Coroutine[Any, Any, T]]) -> T:
    """Read something of the store.

    Raises:
        NotConfigured: there is no store.
        StoreUnavailable: Redis does not answer.
    """
    import asyncio

    use_store()
    return asyncio.run(_read(read))


async def _read(read: Callable[[Store, Settings], Coroutine[Any, Any, T]]) -> T:
    from threadmill_shared import errors
    from threadmill_shared.settings import load_settings
    from threadmill_shared.store.connections import REPEATABLE, connect
    from threadmill_shared.store.store import Store

    settings = load_settings()
    store = Store(connect(settings.store_url()), settings.namespace)
    try:
        return await read(store, settings)
    except errors.StoreUnavailable as error:
        raise errors.StoreUnavailable(str(error).replace(REPEATABLE, "")) from error
    finally:
        await store.close()
