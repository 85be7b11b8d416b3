"""What a load needs, by what was measured of its parts.

A run costs what it costs besides its tokens, and its tokens. Of both, two extremes were measured:
each token arrives alone and is followed (`redis.followed_*`), and as many streams at once as were
measured at most, followed by nobody (`streams.token_*`, `streams.run_*`).
"""

from __future__ import annotations

from pages.measured import Measured, about, two_digits

TOKENS = 200
"""Of a run."""
SPEED = 30
"""Tokens per second of a stream."""
STREAMS = (100, 1000, 10_000)
MACHINES = 100
REDIS_CORES = 0.7
"""Of Redis's one core: above that, answers take longer and longer."""
CLIENTS = 10_000
"""Connections that Redis takes, unless `maxclients` says otherwise."""


class Sizing:
    """Calculates with the medians of one measurement."""

    tokens, speed, share, machines = TOKENS, SPEED, int(REDIS_CORES * 100), MACHINES

    def __init__(self, measured: Measured) -> None:
        """It calculates with these figures."""
        self._m = measured
        self._cores = int(measured.surroundings["machine"]["cores"])

    # ---- microseconds of CPU for a run ---------------------------------------------------------

    def redis_us(self, tokens: int = TOKENS) -> float:
        """Of Redis, if each token arrives alone and one process follows the run."""
        return self._followed("cpu_us", tokens)

    def redis_us_at_least(self, tokens: int = TOKENS) -> float:
        """Of Redis, if as many streams as were measured at most write at once."""
        return self._of_many("redis_cpu", tokens)

    def worker_us(self, tokens: int = TOKENS) -> float:
        """Of a worker that has so many streams."""
        return self._of_many("cpu", tokens)

    # ---- what a core takes ---------------------------------------------------------------------

    def tokens_per_core(self) -> str:
        """Tokens a second that one core of Redis takes, if each arrives alone."""
        return about(1e6 * TOKENS / self.redis_us())

    def tokens_per_core_at_most(self) -> str:
        """The same, if many streams write at once."""
        return about(1e6 * TOKENS / self.redis_us_at_least())

    def runs_per_core(self, tokens: int = TOKENS) -> str:
        """Runs a second of so many tokens that one core of Redis takes, if each token is alone."""
        return about(1e6 / self.redis_us(tokens))

    def streams_of_redis(self) -> str:
        """Streams that one core of Redis takes, if each token arrives alone."""
        return about(_streams(self.redis_us()))

    def streams_of_redis_at_most(self) -> str:
        """The same, if many streams write at once."""
        return about(_streams(self.redis_us_at_least()))

    def streams_of_a_worker(self) -> str:
        """Streams that occupy one core of a worker."""
        return about(_streams(self.worker_us()))

    def streams_of_machines(self, machines: int = MACHINES) -> int:
        """Streams that occupy all cores of so many machines like the measured one."""
        return int(two_digits(machines * self._cores * _streams(self.worker_us())))

    # ---- a fleet -------------------------------------------------------------------------------

    def idle_fleet(self, workers: int) -> str:
        """Percents of Redis's core for so many workers, on a line through the last two points."""
        before, last = self._m.series("idle.redis_cpu")[-2:]
        slope = (last.spread.median - before.spread.median) / ((last.at or 0) - (before.at or 0))
        return about(last.spread.median + slope * (workers - (last.at or 0)))

    def workers_of_clients(self) -> str:
        """Workers that take all connections of one Redis."""
        return about(CLIENTS / self._m.series("idle.connections")[0].spread.median)

    def table(self) -> str:
        """What so many streams at once need, and those that occupy all machines."""
        head = (
            "| streams at once | tokens/s | runs/s | cores of workers | cores of Redis, each token "
            "alone | many at once | network of Redis | memory of logs |"
        )
        rows = map(self._row, (*STREAMS, self.streams_of_machines()))
        return "\n".join([head, "|---" * 8 + "|", *rows])

    def _row(self, streams: int) -> str:
        runs = streams * SPEED / TOKENS
        network = self._followed("bytes_in", TOKENS) + self._followed("bytes_out", TOKENS)
        cells = [
            f"{streams:,}",
            f"{streams * SPEED:,}",
            about(runs),
            about(runs * self.worker_us() / 1e6),
            about(runs * self.redis_us() / 1e6),
            about(runs * self.redis_us_at_least() / 1e6),
            f"{about(runs * network / 1e6)} MB/s",
            f"{about(runs * 3600 * self._m.value('redis.log_200') / 1e6)} GB",
        ]
        return f"| {' | '.join(cells)} |"

    def _followed(self, what: str, tokens: int) -> float:
        token = self._m.value(f"redis.followed_token.{what}")
        return self._m.value(f"redis.followed_run.{what}") + tokens * token

    def _of_many(self, what: str, tokens: int) -> float:
        token = self._m.value(f"streams.token_{what}")
        return self._m.value(f"streams.run_{what}") + tokens * token


def _streams(run_us: float) -> float:
    """Streams of runs that cost so much, of which one core takes the load."""
    return 1e6 * TOKENS / run_us / SPEED
