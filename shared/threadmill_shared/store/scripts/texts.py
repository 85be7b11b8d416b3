"""Scripts that change a text: if nobody else has changed it before, or even in a full store."""

from __future__ import annotations

from threadmill_shared.store.scripts.loader import ScriptCall, Value, script


def compare_and_set(*, place: str, was: str, becomes: str, lifetime: int | None) -> ScriptCall:
    """Put a text at the key `place`, if what is there still is `was`.

    Args:
        place: the key.
        was: empty if nothing was there.
        becomes: what is there from now on.
        lifetime: in seconds; None: there is none.
    """
    args = {"was": was, "becomes": becomes, "lifetime": "" if lifetime is None else lifetime}
    return script("compare_and_set").call({"place": place}, args)


def replace_text(*, place: str, text: str, lifetime: int) -> ScriptCall:
    """Put a text at the key `place` for `lifetime` seconds, even if the server is full."""
    args: dict[str, Value] = {"text": text, "lifetime": lifetime}
    return script("replace_text").call({"place": place}, args)


def create_assistant(
    *,
    created: str,
    registered: str,
    mark: str,
    prefix: str,
    id: str,
    definition: str,
    at: str,
    once: bool,
    requested: str,
) -> ScriptCall:
    """Store a definition at the key `created`, and name its id in the index `registered`.

    Args:
        created: the key.
        registered: the index.
        mark: the key of the mark of the client's request.
        prefix: what the keys of definitions begin with, up to the id.
        id: the assistant's.
        definition: JSON.
        at: when it was created, in seconds.
        once: whether another definition with this id stays.
        requested: what the client's request is; empty if there is none.
    """
    keys = {"created": created, "registered": registered, "mark": mark}
    args: dict[str, Value] = {
        "prefix": prefix,
        "id": id,
        "definition": definition,
        "at": at,
        "once": int(once),
        "requested": requested,
    }
    return script("create_assistant").call(keys, args)
