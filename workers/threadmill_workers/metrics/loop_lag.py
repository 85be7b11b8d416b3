"""How late the event loop is: whatever blocks it delays every run of the worker."""

from __future__ import annotations

import asyncio
import time

from threadmill_workers.metrics.recorder import MetricsRecorder

LAG_SECONDS = 1.0
"""Between two measurements."""


async def measure_loop_lag(metrics: MetricsRecorder) -> None:
    """Measure for ever how much later than it should a timer fires."""
    while True:
        due_at = time.monotonic() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        metrics.note_loop_lag(max(0.0, time.monotonic() - due_at))
