"""The number of the store's format, which tells old and new processes apart."""

from __future__ import annotations

from threadmill_shared import errors
from threadmill_shared.store.runs import Store
from threadmill_shared.store.scripts.texts import compare_and_set

FORMAT = 1
"""Number of the store's format: how keys are named, and what is in them."""


async def check_format(store: Store) -> None:
    """Mark the store with the format's number, and refuse one of a later format.

    Raises:
        StoreIncompatible: a newer threadmill has written this store.
    """
    key = store.keys.format()
    stored = await store.read("GET", key)
    # Only if it is older, since a full server takes nothing in; and only in the place of what was
    # read, since a later release may raise it meanwhile.
    while int(stored or 0) < FORMAT:
        call = compare_and_set(place=key, was=stored or "", becomes=str(FORMAT), lifetime=None)
        await store.scripts.run(call)
        stored = await store.read("GET", key)
    if (found := int(stored or 0)) > FORMAT:
        raise errors.StoreIncompatible(
            f"The store has format {found}, but this release of threadmill supports formats up to "
            f"{FORMAT}. "
            "Upgrade this worker, or give it a namespace of its own (THREADMILL_NAMESPACE)."
        )
