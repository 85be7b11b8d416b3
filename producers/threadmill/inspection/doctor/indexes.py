"""Whether lists of runs and threads are complete, or the indexes are still being made."""

from __future__ import annotations

from threadmill.inspection.doctor.finding import Finding
from threadmill.inspection.doctor.reading import FleetReading
from threadmill_shared.store.indexing_state import SEEN_SECONDS


def check_indexes(reading: FleetReading) -> Finding:
    """Whether the indexes of lists have all that is stored."""
    name, state = "lists.complete", reading.indexing.state
    if not reading.live:
        return Finding(name, "skipped", "no worker is alive, which would keep the indexes")
    if reading.indexing.sees_others:
        return Finding(
            name,
            "warning",
            "a worker of an earlier release is registered, which keeps no indexes: lists are "
            "incomplete",
            "Finish the upgrade (docs/upgrading.md#lists).",
        )
    if reading.indexing.now - state.seen_at > SEEN_SECONDS:
        return Finding(
            name,
            "warning",
            "no worker has looked after the indexes for a minute: lists are incomplete",
            "Look again in 10 s if the workers have just started; otherwise see their logs.",
        )
    if not state.is_complete:
        return Finding(
            name,
            "warning",
            f"what earlier releases have stored is being indexed: {state.keys:,} keys looked at, "
            f"{state.missing:,} entries added; lists are incomplete meanwhile",
            "Wait: a worker looks at 5,000 keys in a second at most.",
        )
    lacking = sorted(set(reading.index_keys) - set(state.metadata.split(",")))
    if lacking:
        return Finding(
            name,
            "warning",
            f"threads are not indexed by {', '.join(lacking)} of their metadata",
            "Set THREADMILL_INDEX for the workers as it is here, and restart them; then wait.",
        )
    return Finding(name, "ok", "the indexes have all that is stored")
