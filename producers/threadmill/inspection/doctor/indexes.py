"""Whether lists of runs and threads are complete, or the indexes are still being made."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill_shared.store.indexing_state import SEEN_SECONDS


def check_indexes(reading: FleetReading) -> Finding:
    """Whether the indexes of lists have all that is stored."""
    name = "lists.complete"
    if not reading.live:
        return Finding(name, "skipped", "no worker is alive, which would keep the indexes")
    found = _incomplete(reading) or _lacks_keys(reading)
    if found is None:
        return Finding(name, "ok", "the indexes have all that is stored")
    cause, cure = found
    return Finding(name, "warning", cause, cure)


def _incomplete(reading: FleetReading) -> tuple[str, str] | None:
    """Why all lists are incomplete, and what helps; None: they are not."""
    view, state = reading.indexing, reading.indexing.state
    if view.sees_others:
        cause = "a worker of an earlier release is registered, which keeps no indexes"
        return f"{cause}: lists are incomplete", "Finish the upgrade (docs/upgrading.md#lists)."
    if view.now - state.seen_at > SEEN_SECONDS:
        return (
            "no worker has looked after the indexes for a minute: lists are incomplete",
            "Look again in 10 s if the workers have just started; otherwise see their logs.",
        )
    if state.is_doubted or not state.is_complete:
        so_far = f"{state.keys:,} keys looked at, {state.missing:,} entries added"
        cause = f"what earlier releases have stored is being indexed: {so_far}"
        cure = "Wait: a worker looks at 5,000 keys in a second at most."
        return f"{cause}; lists are incomplete meanwhile", cure
    return None


def _lacks_keys(reading: FleetReading) -> tuple[str, str] | None:
    """By which keys of metadata there is no index yet, and what helps; None: by none."""
    lacking = sorted(set(reading.index_keys) - set(reading.indexing.state.metadata.split(",")))
    if not lacking:
        return None
    return (
        f"threads are not indexed by {', '.join(lacking)} of their metadata",
        "Set THREADMILL_INDEX for the workers as it is here, and restart them; then wait.",
    )
