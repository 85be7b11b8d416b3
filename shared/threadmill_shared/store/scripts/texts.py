"""The script that changes a text only if nobody else has changed it before."""

from __future__ import annotations

from threadmill_shared.store.scripts.loader import ScriptCall, script


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
