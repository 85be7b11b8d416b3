"""What a load needs, by what was measured of its parts."""

from __future__ import annotations

from pages.measured import Measured, about

TOKENS = 200
"""Of a run."""
SPEED = 30
"""Tokens per second of a stream."""
STREAMS = (100, 1000, 10_000)
REDIS_CORES = 0.7
"""Of Redis's one core: above that, answers take longer and longer."""


class Sizing:
    """Calculates with the medians of one measurement."""

    tokens, speed, share = TOKENS, SPEED, int(REDIS_CORES * 100)

    def __init__(self, measured: Measured) -> None:
        """It calculates with these figures."""
        self._m = measured

    def redis_us(self, tokens: int = TOKENS, *, is_followed: bool = True) -> float:
        """CPU of Redis for a run of so many tokens that arrive one by one."""
        return self._run("cpu_us", tokens, is_followed=is_followed)

    def tokens_per_core(self) -> str:
        """How many tokens of such runs a second one core of Redis takes, if each arrives alone."""
        return about(1e6 * TOKENS / self.redis_us())

    def runs_per_core(self, tokens: int = TOKENS) -> str:
        """The same, in runs of so many tokens."""
        return about(1e6 / self.redis_us(tokens))

    def tokens_per_core_at_most(self) -> str:
        """How many, if as many streams write at once as were measured at most."""
        return about(1e6 / self._m.series("streams.redis_cpu")[-1].spread.median)

    def streams_of_a_worker(self) -> str:
        """How many streams occupy one core of a worker."""
        return about(1e6 / self._m.series("streams.cpu")[-1].spread.median / SPEED)

    def streams_of_redis(self) -> str:
        """How many streams one core of Redis takes, if each token arrives alone."""
        return about(1e6 * TOKENS / self.redis_us() / SPEED)

    def streams_of_redis_at_most(self) -> str:
        """How many, if as many streams write at once as were measured at most."""
        return about(1e6 / self._m.series("streams.redis_cpu")[-1].spread.median / SPEED)

    def streams_of_machines(self, machines: int, cores: int) -> str:
        """How many streams all cores of these machines execute."""
        cost = self._m.series("streams.cpu")[-1].spread.median
        return about(machines * cores * 1e6 / cost / SPEED)

    def idle_fleet(self, workers: int) -> str:
        """Percents of Redis's core for so many workers, on a line through the last two points."""
        points = self._m.series("idle.redis_cpu")
        last, before = points[-1], points[-2 if len(points) > 1 else -1]
        grown = last.spread.median - before.spread.median
        slope = grown / ((last.at or 0) - (before.at or 0) or 1)
        return about(last.spread.median + slope * (workers - (last.at or 0)))

    def table(self) -> str:
        """What so many streams at once need."""
        head = (
            "| streams at once | tokens/s | runs/s | cores of workers | cores of Redis, each token "
            "alone | many at once | network of Redis | memory of logs |"
        )
        return "\n".join([head, "|---" * 8 + "|", *map(self._row, STREAMS)])

    def _row(self, streams: int) -> str:
        tokens = streams * SPEED
        runs = tokens / TOKENS
        many = self._m.series("streams.redis_cpu")[-1].spread.median
        cells = [
            f"{streams:,}",
            f"{tokens:,}",
            about(runs),
            about(tokens * self._m.series("streams.cpu")[-1].spread.median / 1e6),
            about(runs * self.redis_us() / 1e6),
            about(tokens * many / 1e6),
            f"{about(runs * self._bytes() / 1e6)} MB/s",
            f"{about(runs * 3600 * self._m.value('redis.log_200') / 1e6)} GB",
        ]
        return f"| {' | '.join(cells)} |"

    def _bytes(self) -> float:
        return self._run("bytes_in", TOKENS) + self._run("bytes_out", TOKENS)

    def _run(self, what: str, tokens: int, *, is_followed: bool = True) -> float:
        kind = "followed_" if is_followed else ""
        run = self._m.value(f"redis.{kind}run.{what}")
        return run + tokens * self._m.value(f"redis.{kind}token.{what}")
