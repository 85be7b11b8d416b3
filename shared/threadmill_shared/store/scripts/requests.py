"""The script about requests of clients that have created something."""

from __future__ import annotations

from threadmill_shared.store.scripts.loader import ScriptCall, script


def note_delivery(*, mark: str, id: str, made: str) -> ScriptCall:
    """Note that the answer with an object was handed to the network.

    Args:
        mark: the key of the request's mark.
        id: the object's.
        made: what this try of the request would have created.
    """
    return script("note_delivery").call({"mark": mark}, {"id": id, "made": made})
