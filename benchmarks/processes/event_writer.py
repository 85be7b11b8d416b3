"""Writes text deltas into the logs of runs, as workers do.

    python -m processes.event_writer FILE RATE

The file has the ids of runs, each of which gets so many events a second, one by one, spread over
time. It writes until it is ended.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import redis

_PAUSE, _AT_ONCE = 0.002, 200


def main() -> None:
    """Write."""
    run_ids, rate = Path(sys.argv[1]).read_text().split(), float(sys.argv[2])
    server: Any = redis.Redis.from_url(os.environ["THREADMILL_REDIS_URL"])
    keys = [(f"threadmill:{{{id[4:6]}}}:log:{id}", _record_key(id)) for id in run_ids]
    numbers = [int(server.hget(record, "events") or 0) for _, record in keys]
    written, since = 0, time.monotonic()
    while True:
        due = int((time.monotonic() - since) * rate * len(keys)) - written
        pipeline: Any = server.pipeline(transaction=False)
        for _ in range(min(due, _AT_ONCE)):
            at = written % len(keys)
            log, record = keys[at]
            numbers[at] += 1
            written += 1
            text, now = f'["d",0,["token {written % 1000} "]]', int(time.time() * 1000)
            pipeline.execute_command("XADD", log, numbers[at], "e", text, "t", now)
            pipeline.execute_command("HSET", record, "events", numbers[at])
            pipeline.execute_command("PUBLISH", log, numbers[at])
        pipeline.execute()
        time.sleep(_PAUSE)


def _record_key(run_id: str) -> str:
    return f"threadmill:{{{run_id[4:6]}}}:run:{run_id}"


if __name__ == "__main__":
    main()
